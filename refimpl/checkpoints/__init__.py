"""Weight files: from a folder, a file or a hub name to a dict of numpy arrays, and back.

hub.py                 a name or a folder -> a folder on this machine (downloads when asked to)
folder.py              a folder -> config dict and tensors; shards; writing a folder
safetensors_file.py    one .safetensors file -> tensors, and back
safetensors_header.py  what the header of such a file may say: every rule of the format
names.py               the spellings of tensor names; does the file fit the model?

Nothing in this folder runs code from a checkpoint, unpickles, or follows a path that a checkpoint
names outside its own folder. Every file that cannot be used ends in one
`refimpl.errors.InputError`. Reading order: folder.py, then names.py. What the tensors become is
refimpl/params.py; the classes with `from_pretrained` are in refimpl/models/.
"""
