"""Weight files: from a folder, a file or a hub name to a dict of numpy arrays, and back.

hub.py                 a name or a folder -> a folder on this machine (downloads when asked to)
folder.py              a folder -> config dict and tensors; shards; writing a folder
shards.py              weights in several files, and their index
safetensors_file.py    one .safetensors file -> tensors, and back
safetensors_header.py  what the header of such a file may say: every rule of the format
torch_file.py          one file of PyTorch -> tensors, without PyTorch: its three formats
torch_legacy.py        the one before PyTorch 1.6
torch_globals.py       the short list of what such a file may name
torch_tensors.py       strides and shared storages -> arrays
pickle_machine.py      the pickle format without pickle; pickle_stack.py is what it works on
zip_archive.py         the zip format, as far as weight files use it
npz_file.py            one .npz of big_vision -> tensors
msgpack_file.py        one flax_model.msgpack -> tensors
stored_types.py        number types: names, bytes, arrays
names.py               the spellings of tensor names; does the file fit the model?
originals.py           a checkpoint of any origin -> config dict and tensors of the hub's names
layouts/               how each origin names its tensors, one file each

Nothing in this folder runs code from a checkpoint, hands it to pickle, or follows a path that it
names outside its own folder. Every file that cannot be used ends in one
`refimpl.errors.InputError`. Reading order: folder.py, then names.py. What the tensors become is
refimpl/params.py; the classes with `from_pretrained` are in refimpl/models/.
"""
