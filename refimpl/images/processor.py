"""The machine under every family's image processor: options in, pictures in, `pixel_values` out.

A family's file (clip.py, siglip.py, ...) is a table of names, order and defaults over this class,
which has the surface of transformers 4 and the numbers of whichever upstream `profile` names
(profiles/). What an option may be is in settings.py.
"""

import os
from collections.abc import Iterator, Mapping
from inspect import Parameter, Signature
from typing import Any, ClassVar, TypeVar

import numpy as np

from refimpl.checkpoints.hub import resolve
from refimpl.errors import InputError
from refimpl.images.batch import BatchFeature, stack
from refimpl.images.config_files import find_settings, write_settings
from refimpl.images.load import MAX_PIXELS
from refimpl.images.one_picture import in_memory, preprocess
from refimpl.images.profiles import PROFILES, profile_named
from refimpl.images.settings import OPTIONS, check_complete, check_max_pixels, checked

_LAYOUTS = (None, "channels_first", "channels_last")

ProcessorT = TypeVar("ProcessorT", bound="ImageProcessor")


class ImageProcessor:
    """Pictures to `pixel_values`, float32 (B, C, height, width): resize, crop, rescale, normalize.

    Every argument can also be given per call. None, also null in a file, is off for a switch
    (do_...) and the family's default for the rest, as upstream; per call it leaves what the
    processor has. The order by position and the defaults are the family's (`defaults`).
    (Typed Any, as a JSON file may hold anything: each is checked, in settings.py.)

    Args:
        do_resize: whether to resize.
        size: {"shortest_edge": int}, {"height", "width"}, ...: see sizes.py. An int is the short
            edge or a square, as `default_to_square` says.
        resample: Pillow's number of the filter: 3 bicubic, 2 bilinear, ...
        do_center_crop: whether to cut out the middle.
        crop_size: {"height", "width"}, or an int for a square.
        do_rescale: whether to multiply by `rescale_factor`.
        rescale_factor: mostly 1/255.
        do_normalize: whether to subtract `image_mean` and divide by `image_std`.
        image_mean: one number or one a channel.
        image_std: likewise.
        do_convert_rgb: whether to convert to RGB; the profile says when, and what becomes of alpha.
        profile: by name only: which upstream to be equal to (profiles/, docs/preprocessing.md).
            None is the family's `default_profile`.
        resize_mode: by name only, of profile "open_clip": "shortest", "longest" or "squash"; None
            goes by the form of `size`.
        fill_color: by name only, of open_clip: the level around a picture too small for its crop.
        engine: by name only: "pillow", or "numpy" for our own resize, equal to it bit for bit.
        **extra: fields of other processors, kept in `extra` and written back by `to_dict`.

    Raises:
        InputError: a value that cannot be.
    """

    model_input_names: ClassVar[list[str]] = ["pixel_values"]
    defaults: ClassVar[Mapping[str, Any]] = {}
    """The options that upstream documents for the family, in the order by position."""
    default_to_square: ClassVar[bool] = True
    """Whether an int as `size` is a square; otherwise it is the short edge."""
    other_names: ClassVar[tuple[str, ...]] = ()
    """Names under which files and upstream know the same class."""
    default_profile: ClassVar[str] = "transformers-4-slow"
    """The upstream to be equal to where none is named.

    The hub's released checkpoints carry a preprocessor_config.json for Transformers 4's slow
    classes: with these they were published, and are evaluated, there. A checkpoint in its authors'
    own layout (`refimpl convert`) names its authors' own code.
    """

    do_resize: bool | None
    size: dict[str, int] | None
    resample: int | None
    do_center_crop: bool | None
    crop_size: dict[str, int] | None
    do_rescale: bool | None
    rescale_factor: float | None
    do_normalize: bool | None
    image_mean: float | list[float] | None
    image_std: float | list[float] | None
    do_convert_rgb: bool | None
    resize_mode: str | None
    fill_color: int
    engine: str

    def __init_subclass__(cls, **options: Any) -> None:
        """Show the family's table as the signature of its class."""
        super().__init_subclass__(**options)
        kind = Parameter.POSITIONAL_OR_KEYWORD
        named = [Parameter(name, kind, default=value) for name, value in cls.defaults.items()]
        extra = Parameter("extra", Parameter.VAR_KEYWORD)
        cls.__signature__ = Signature([*named, extra])  # type: ignore[attr-defined]

    def __init__(self, /, *values: Any, profile: Any = None, **options: Any) -> None:
        # The slash: a file may hold a field "self", too.
        self.profile = self.default_profile if profile is None else profile_named(profile).name
        if len(values) > len(self.defaults):
            raise InputError(f"{type(self).__name__}: at most {len(self.defaults)} by position")
        given = dict(zip(self.defaults, values, strict=False))
        twice = sorted(given.keys() & options.keys())
        if twice:
            raise InputError(f"{type(self).__name__}: {twice} by position and by name")
        given |= {name: value for name, value in options.items() if name in OPTIONS}
        for name, value in given.items():
            if value is None and name.startswith("do_"):
                given[name] = False
        defaults = {**_EVERYWHERE, **self.defaults, **PROFILES[self.profile].sets}
        found = self._checked(_filled(defaults, given))
        for name, value in found.items():
            setattr(self, name, value)
        self.extra = {name: value for name, value in options.items() if name not in OPTIONS}

    def __call__(
        self,
        images: Any,
        return_tensors: Any = None,
        data_format: Any = None,
        input_data_format: Any = None,
        max_pixels: Any = MAX_PIXELS,
        **options: Any,
    ) -> BatchFeature:
        """Turn one picture or many into pixel values.

        Args:
            images: what `open_image` takes, a 4-D array or tensor of pictures, or a list (of
                lists) of these. They are opened one by one, each after the last is done with.
            return_tensors: None for a list of arrays, "np" for one array, "pt" for a torch tensor.
            data_format: "channels_first" (also None) or "channels_last", of the result.
                (transformers 5 ignores it.)
            input_data_format: the same, of arrays and tensors that come in; None finds out.
            max_pixels: the most pixels of a file, and of a picture once it is resized or cropped.
            **options: any argument of the constructor, for this call; None leaves it.

        Returns:
            "pixel_values": float32 (B, C, height, width). With rescale and normalize both off,
            the type of the step before: uint8 after a resize.

        Raises:
            InputError: a bad picture (named), or an unknown or wrong option.
        """
        if _plain(data_format) not in _LAYOUTS:
            raise InputError(f"data_format must be one of {_LAYOUTS}; got {data_format!r}")
        settings = self._of_call(options, input_data_format, max_pixels)
        profile = PROFILES[self.profile]
        out = []
        for name, source in _flat(images):
            picture = in_memory(name, source, profile, max_pixels)
            values = preprocess(name, picture, profile, settings)
            out.append(np.moveaxis(values, 0, -1) if _plain(data_format) == _LAYOUTS[2] else values)
        return BatchFeature(pixel_values=stack(out, return_tensors))

    preprocess = __call__

    def _of_call(self, options: Mapping[str, Any], layout: Any, max_pixels: Any) -> dict[str, Any]:
        """Put together what one call goes by: the processor's options, and the call's over them."""
        settings = self._checked(_filled(self._settings(), options))
        check_complete(settings)
        check_max_pixels(max_pixels)
        if _plain(layout) not in _LAYOUTS:
            raise InputError(f"input_data_format must be one of {_LAYOUTS}; got {layout!r}")
        return {**settings, "input_data_format": _plain(layout), "max_pixels": max_pixels}

    def _checked(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        profile = PROFILES[self.profile]
        if settings["resize_mode"] is not None and not profile.resize_modes:
            raise InputError(
                f"resize_mode={settings['resize_mode']!r} is an option of profile 'open_clip'; "
                f"this is {profile.name!r}"
            )
        return checked(settings, self.default_to_square or profile.square)

    def _settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in OPTIONS}

    @classmethod
    def from_dict(cls: type[ProcessorT], settings: Any, **overrides: Any) -> ProcessorT:
        """Make a processor from the fields of a configuration; `overrides` win.

        Raises:
            InputError: a wrong value, or the configuration of another family's processor.
        """
        if not isinstance(settings, Mapping):
            raise InputError(f"{cls.__name__}: the fields must be a dict; got {settings!r:.200}")
        fields = {**settings, **overrides}
        kind = fields.pop("image_processor_type", None)
        kind = fields.pop("feature_extractor_type", None) if kind is None else kind
        fields.pop("feature_extractor_type", None)
        if kind not in (None, cls.__name__, *cls.other_names):
            raise InputError(
                f"this configuration is for {kind!r}, not for {cls.__name__}; to use its numbers "
                'all the same, remove "image_processor_type"'
            )
        return cls(**{str(name): value for name, value in fields.items()})

    def to_dict(self) -> dict[str, Any]:
        """Give all fields that say something, the unknown ones too, as upstream writes them."""
        unsaid = {"profile": self.default_profile, "fill_color": 0, "engine": "pillow"}
        settings = {**self._settings(), "profile": self.profile}
        said = {
            name: value
            for name, value in settings.items()
            if value is not None and not (name in unsaid and value == unsaid[name])
        }
        return {**self.extra, **said, "image_processor_type": type(self).__name__}

    @classmethod
    def from_pretrained(
        cls: type[ProcessorT],
        folder: str | os.PathLike[str],
        *,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        token: str | bool | None = None,
        use_fast: bool | None = None,
        **overrides: Any,
    ) -> ProcessorT:
        """Read the processor of a checkpoint, in the layout of transformers 4 or 5.

        Args:
            folder: with preprocessor_config.json, or a processor_config.json that holds an
                "image_processor"; or one such file; or a hub id. Old files with
                "feature_extractor_type" and integer sizes are read too.
            revision: branch, tag or commit on the hub.
            cache_dir: the hub's cache, if not the usual one.
            local_files_only: do not touch the network.
            token: what to log in with on the hub, if not the usual login; False: nothing.
            use_fast: changes nothing: `profile` says whose numbers are wanted.
            **overrides: arguments of the constructor that win over the file, `profile` too.

        Raises:
            InputError: no such folder or file, broken JSON, or a wrong value; names the file.
        """
        given = {name: value for name, value in overrides.items() if value is not None}
        if "profile" in given:
            profile_named(given.pop("profile"))
        checked(given)
        where = resolve(
            folder,
            revision=revision,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            token=token,
            weights=False,
        )
        settings, file = find_settings(where)
        try:
            return cls.from_dict(settings, **overrides)
        except InputError as error:
            raise InputError(f"{file}: {error}") from error

    def save_pretrained(self, folder: str | os.PathLike[str]) -> list[str]:
        """Write preprocessor_config.json (the layout of transformers 4); give the paths written.

        Where a processor_config.json of transformers 5 with an image part stands there already,
        that part is replaced too: it would win over the new file.

        Raises:
            InputError: the folder cannot be made or written, or a field is wrong.
        """
        self._checked(self._settings())
        return [str(path) for path in write_settings(folder, self.to_dict())]

    def __repr__(self) -> str:
        settings = {**self._settings(), "profile": self.profile}
        fields = ", ".join(f"{name}={value!r}" for name, value in settings.items())
        return f"{type(self).__name__}({fields})"


_EVERYWHERE: Mapping[str, Any] = {**dict.fromkeys(OPTIONS), "fill_color": 0, "engine": "pillow"}
"""What every family has by default; its table says more."""


def _filled(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    return {**defaults, **{name: value for name, value in given.items() if value is not None}}


def _plain(layout: Any) -> Any:
    return getattr(layout, "value", layout)  # transformers' enum, or the string


def _flat(images: Any, name: str = "images", lists: int = 2) -> Iterator[tuple[str, Any]]:
    """Give every single picture with the name it has in messages.

    `lists` is how many lists may still stand one in another: two, as upstream.
    """
    many = isinstance(images, (list, tuple)) or getattr(images, "ndim", 3) == 4
    if not many:
        yield name, images
    elif not len(images):
        raise InputError(f"{name}: an empty list holds no picture")
    elif not isinstance(images, (list, tuple)):
        for index in range(len(images)):
            yield f"{name}[{index}]", images[index]
    elif not lists:
        raise InputError(f"{name}: pictures may stand in a list, or in lists in a list, no deeper")
    else:
        for index, one in enumerate(images):
            yield from _flat(one, f"{name}[{index}]", lists - 1)
