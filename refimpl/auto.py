"""The Auto classes: which config, model and processor a checkpoint's `model_type` stands for.

families.py is the table. Only `model_type` decides, never `architectures`; `auto_map` is never
followed and no code of a checkpoint is ever run. AutoImageProcessor is in images/auto.py,
AutoTokenizer in tokenizers_py/auto.py.

Source: transformers 4.57.6 and 5.23.0, models/auto/.
"""

import os
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from refimpl.base_config import Config
from refimpl.checkpoints.folder import CONFIG_NAME, read_config
from refimpl.checkpoints.hub import resolve
from refimpl.checkpoints.originals import read_checkpoint_config, read_original
from refimpl.errors import InputError
from refimpl.families import FAMILIES, class_for
from refimpl.images.auto import AutoImageProcessor
from refimpl.images.config_files import PREPROCESSOR_FILE, PROCESSOR_FILE, read_if_there
from tokenizers_py.auto import AutoTokenizer, tokenizer_class
from tokenizers_py.errors import TokenizerError
from tokenizers_py.folders.reading import read_folder

__all__ = [
    "AutoConfig",
    "AutoImageProcessor",
    "AutoModel",
    "AutoModelForImageClassification",
    "AutoModelForZeroShotImageClassification",
    "AutoProcessor",
]


class AutoConfig:
    """Reads the config of a checkpoint, whatever its family.

    >>> AutoConfig.for_model("siglip_text_model", hidden_size=24).max_position_embeddings
    64
    """

    def __init__(self) -> None:
        raise InputError("AutoConfig: call AutoConfig.from_pretrained(name_or_folder)")

    @classmethod
    def for_model(cls, model_type: str, **values: Any) -> Any:
        """Make a config of the family that `model_type` names; `values` are its fields.

        Raises:
            InputError: the type is unknown, or a value is not usable.
        """
        return class_for(model_type, "config", "AutoConfig.for_model")(**values)

    @classmethod
    def from_pretrained(
        cls,
        name_or_folder: str | os.PathLike[str],
        *,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        token: str | bool | None = None,
        trust_remote_code: bool | None = None,
        **changes: Any,
    ) -> Any:
        """Read config.json of a folder or a hub id.

        Args:
            name_or_folder: a folder, a weights file beside its config.json, a hub id, or an
                original checkpoint (checkpoints/originals.py).
            revision: branch, tag or commit on the hub.
            cache_dir: the hub's cache, if not the usual one.
            local_files_only: do not touch the network.
            token: what to log in with on the hub, if not the usual login; False: nothing.
            trust_remote_code: changes nothing: no code of a checkpoint is ever run; true warns.
            **changes: fields that win over the file.

        Raises:
            InputError: there is no such file, its model_type is unknown or missing, or a value is
                not usable; the message names the file.
        """
        _never(trust_remote_code)
        hub: dict[str, Any] = {"revision": revision, "cache_dir": cache_dir, "token": token}
        hub["local_files_only"] = local_files_only
        where = resolve(name_or_folder, **hub, weights=False)
        if where.is_dir() and not (where / CONFIG_NAME).is_file():
            where = resolve(name_or_folder, **hub)  # an original: its tensors tell its sizes
        values = read_checkpoint_config(where)
        kind = class_for(values.get("model_type"), "config", str(where))
        try:
            return kind.from_dict(values, **changes)
        except InputError as error:
            raise InputError(f"{where}: {error}") from error


class AutoModel:
    """Loads a checkpoint as the model that its config names: whole models and lone towers."""

    kind: ClassVar[str] = "model"
    """Field of `Family` that the class takes its models from."""

    def __init__(self) -> None:
        raise InputError(
            f"{type(self).__name__}: call {type(self).__name__}.from_pretrained(name_or_folder) "
            "or .from_config(config)"
        )

    @classmethod
    def from_config(cls, config: Config, **options: Any) -> Any:
        """Make a model of freshly drawn weights; `options` are its class's, such as `seed`.

        Raises:
            InputError: there is no model of this kind for the config.
        """
        _never(options.pop("trust_remote_code", None))
        model_type = getattr(config, "model_type", None)
        return class_for(model_type, cls.kind, f"{cls.__name__}.from_config")(config, **options)

    @classmethod
    def from_pretrained(
        cls,
        name_or_folder: str | os.PathLike[str],
        *,
        config: Any = None,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        token: str | bool | None = None,
        trust_remote_code: bool | None = None,
        **options: Any,
    ) -> Any:
        """Load a model; arguments as of the model classes' `from_pretrained`.

        Args:
            name_or_folder: a folder, a weights file beside its config.json, or a hub id.
            config: a config to use instead of the file's; it then says which class.
            revision: branch, tag or commit on the hub.
            cache_dir: the hub's cache, if not the usual one.
            local_files_only: do not touch the network.
            token: what to log in with on the hub, if not the usual login; False: nothing.
            trust_remote_code: changes nothing: no code of a checkpoint is ever run; true warns.
            **options: handed on, such as `dtype`, or fields of the config.

        Raises:
            InputError: the model_type is unknown or missing, or the checkpoint cannot be loaded.
        """
        _never(trust_remote_code)
        where = resolve(
            name_or_folder,
            revision=revision,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            token=token,
        )
        original = read_original(where) if config is None else None  # read once, for both uses
        if original is not None:
            found = original.config.get("model_type")
        elif config is None:
            found = read_checkpoint_config(where).get("model_type")
        elif isinstance(config, Config):
            found = config.model_type
        else:
            raise InputError(
                f"{cls.__name__}.from_pretrained: config must be a config, such as "
                f"AutoConfig.from_pretrained gives; got {type(config).__name__}"
            )
        chosen = class_for(found, cls.kind, str(where))
        return chosen.from_pretrained(original or where, config=config, **options)


class AutoModelForZeroShotImageClassification(AutoModel):
    """Loads a checkpoint as a model with `logits_per_image`.

    Beyond upstream's, a VisionTextDualEncoder too.
    """

    kind = "zero_shot"


class AutoModelForImageClassification(AutoModel):
    """Loads a checkpoint as an image classifier."""

    kind = "image_classification"


class AutoProcessor:
    """Reads the processor of a checkpoint, whatever its family.

    The files say which class ("processor_class" in processor_config.json, else in
    preprocessor_config.json); where they do not, config.json's model_type does. For a lone tower
    there is no processor, and you get the one part that it needs, as upstream: its tokenizer, or
    its image processor.
    """

    def __init__(self) -> None:
        raise InputError("AutoProcessor: call AutoProcessor.from_pretrained(name_or_folder)")

    @classmethod
    def from_pretrained(
        cls,
        name_or_folder: str | os.PathLike[str],
        *,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        token: str | bool | None = None,
        trust_remote_code: bool | None = None,
        use_fast: bool | None = None,
        **overrides: Any,
    ) -> Any:
        """Read a processor; arguments as of the processors' `from_pretrained`.

        Args:
            name_or_folder: a folder or a hub id.
            revision: branch, tag or commit on the hub.
            cache_dir: the hub's cache, if not the usual one.
            local_files_only: do not touch the network.
            token: what to log in with on the hub, if not the usual login; False: nothing.
            trust_remote_code: changes nothing: no code of a checkpoint is ever run; true warns.
            use_fast: changes nothing: there is one implementation of each part.
            **overrides: what wins over the files.

        Raises:
            InputError: nothing tells which processor it is, it is none of ours, or a part is
                missing or broken.
        """
        _never(trust_remote_code)
        where = resolve(
            name_or_folder,
            revision=revision,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            token=token,
            weights=False,
        )
        for name in (PROCESSOR_FILE, PREPROCESSOR_FILE):
            named = read_if_there(where / name).get("processor_class")
            if named is not None:
                break
        else:
            model_type = read_config(where).get("model_type")
            row = FAMILIES.get(model_type) if isinstance(model_type, str) else None
            if row is not None and row.processor is None:
                return _lone_part(where, **overrides)
            chosen = class_for(model_type, "processor", str(where))
            return chosen.from_pretrained(where, **overrides)
        known = {row.processor for row in FAMILIES.values() if row.processor}
        if not isinstance(named, str) or named not in known:
            raise InputError(
                f"{where / name}: processor_class {named!r} is not supported; there are "
                f"{', '.join(sorted(known))}"
            )
        return getattr(import_module("refimpl"), named).from_pretrained(where, **overrides)


def _lone_part(where: Path, **overrides: Any) -> Any:
    """Read a tower's tokenizer where its folder has one, else its image processor.

    Raises:
        InputError: the folder has neither, or a broken one.
    """
    try:
        tokenizer_class(read_folder(where))
    except TokenizerError as error:
        if not any((where / name).is_file() for name in (PROCESSOR_FILE, PREPROCESSOR_FILE)):
            raise InputError(f"{where}: no image processor, and no tokenizer: {error}") from error
        return AutoImageProcessor.from_pretrained(where, **overrides)
    try:
        return AutoTokenizer.from_pretrained(where, **overrides)
    except TokenizerError as error:
        raise InputError(str(error)) from error


def _never(trust_remote_code: Any) -> None:
    if trust_remote_code:
        warnings.warn(
            "trust_remote_code=True changes nothing: no code of a checkpoint is ever run",
            UserWarning,
            stacklevel=3,
        )
