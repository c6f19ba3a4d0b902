"""LoRAs and an IP-Adapter, from files or the Hub into a pipeline, as the command names them: `Adapters`."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import diffusers
from diffusers.models.attention_processor import AttnProcessor2_0
from huggingface_hub import hf_hub_download, list_repo_files

from .controlled import is_controlled
from .layout.regions import Layout
from .pictures import Making
from .processors.making import IP_ADAPTER


_WRITTEN = re.compile(r"(?:(?P<name>[^=/\\]*)=)?(?P<place>.*?)(?::(?P<scale>[+-]?(?:\d+\.?\d*|\.\d+)))?", re.DOTALL)
_ON_HUB = re.compile(r"\w[\w.-]*(/\w[\w.-]*)+")
_WEIGHTS = (".safetensors", ".bin")
_USUAL = "pytorch_lora_weights.safetensors"  # as diffusers calls a LoRA that it saves


@dataclass(frozen=True)
class AdapterFile:
    """
    Args:
        name (`str`): Of the LoRA, by which regions name it, or `"IP-Adapter"`.
        repository, subfolder, weight_name (`str`): A folder or an id on the Hub, and the file in it, as diffusers
            takes them.
        scale (`float`): How strongly it acts.
    """

    name: str
    repository: str
    subfolder: str
    weight_name: str
    scale: float = 1.0

    @classmethod
    def written(cls, text: str, name: str | None = None) -> "AdapterFile":
        """
        What is written as `NAME=PLACE:SCALE`. The place is a file, a folder that holds one, or the same on the Hub:
        `user/repository/folder/file`. Without a name, it is that of the file.

        Args:
            name (`str`, *optional*): The only name that it may have.

        Raises:
            ValueError: There is no such place, or it holds several files; a name that can be none.
        """
        given, place, scale = _WRITTEN.fullmatch(text).group("name", "place", "scale")
        if given is not None and (name or not re.fullmatch(r"[\w-]+", given)):
            raise ValueError(f"{text!r}: a name is made of letters, digits, _ and -, and an IP-Adapter has none.")
        repository, subfolder, weight_name = _located(place)
        called = Path(repository if weight_name == _USUAL else weight_name)
        own = re.sub(r"[^\w-]+", "_", called.name.removesuffix(called.suffix if called.suffix in _WEIGHTS else ""))
        return cls(name or given or own, repository, subfolder, weight_name, float(scale or 1))

    @property
    def is_local(self) -> bool:
        """Whether it lies on a disk."""
        return Path(self.repository, self.subfolder, self.weight_name).is_file()

    @property
    def place(self) -> str:
        """All of it but the scale."""
        return "/".join(filter(None, (self.repository, self.subfolder, self.weight_name)))

    @cached_property
    def path(self) -> Path:
        """The file, which is downloaded if it is not there."""
        if self.is_local:
            return Path(self.repository, self.subfolder, self.weight_name)
        try:
            return Path(hf_hub_download(self.repository, self.weight_name, subfolder=self.subfolder or None))
        except Exception as error:  # of whatever kind: the Hub has many
            raise ValueError(_not_given(self.place, error)) from None

    @cached_property
    def sha256(self) -> str:
        """Of the file."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @property
    def record(self) -> dict[str, str]:
        """What a picture remembers of it: where it lies on the Hub, or its bare name, and which weights it holds."""
        return {"file": self.weight_name if self.is_local else self.place, "sha256": self.sha256}


@dataclass(frozen=True)
class Adapters:
    """
    What is to be loaded.

    Args:
        loras (`tuple[AdapterFile, ...]`): Of different names.
        ip_adapter ([`AdapterFile`], *optional*): Regions need no more than one.
    """

    loras: tuple[AdapterFile, ...] = ()
    ip_adapter: AdapterFile | None = None

    @classmethod
    def asked(cls, loras: Sequence[str], ip_adapter: str | None) -> "Adapters":
        """
        Those that are written so, see [`AdapterFile.written`].

        Raises:
            ValueError: One cannot be found, or two have the same name.
            ImportError: LoRAs need PEFT, which is not installed.
        """
        if loras and find_spec("peft") is None:
            raise ImportError("LoRAs need PEFT: pip install peft.")
        found: dict[str, AdapterFile] = {}
        for text in loras:
            one = AdapterFile.written(text)
            if one.name in (*found, IP_ADAPTER):
                raise ValueError(f"The name {one.name!r} is taken: give another one, as in --lora other={one.place}.")
            found[one.name] = one
        return cls(tuple(found.values()), ip_adapter and AdapterFile.written(ip_adapter, IP_ADAPTER))

    @property
    def all(self) -> tuple[AdapterFile, ...]:
        """Of both kinds."""
        return self.loras + ((self.ip_adapter,) if self.ip_adapter else ())

    @property
    def files(self) -> dict[str, dict[str, str]]:
        """What pictures remember of them, by name."""
        return {one.name: one.record for one in self.all}

    def for_picture(self, making: Making) -> "Adapters":
        """
        Those that a picture was made with, at its scales: these, and what lies on the Hub.

        Raises:
            ValueError: One is missing, has other weights, or had no part in the picture.
        """
        given = {one.name: one for one in self.all}
        if foreign := [name for name in given if name not in making.adapters]:
            raise ValueError(f"The picture was made without {foreign[0]!r}: leave it out.")
        in_order = [name for name in making.adapter_files if name in making.adapters]  # as they were loaded
        names = dict.fromkeys([*in_order, *making.adapters])
        found = [_of_picture(making, name, given.get(name)) for name in names]
        loras = tuple(one for one in found if one.name != IP_ADAPTER)
        return Adapters(loras, next((one for one in found if one.name == IP_ADAPTER), None))

    def check(self, index: dict) -> None:
        """
        Downloads what is on the Hub.

        Raises:
            ValueError: It is not there, or a checkpoint with this `model_index.json` cannot take them.
        """
        kind = index.get("_class_name", "")
        if self.loras and is_controlled(index) and not hasattr(getattr(diffusers, kind, None), "load_lora_weights"):
            raise ValueError(f"--lora: diffusers loads no LoRA into a {kind}: leave it out.")
        if self.ip_adapter and is_controlled(index):
            raise ValueError("--ip-adapter is for Stable Diffusion 1.x, 2.x and XL, not for this checkpoint.")
        encoder = self.ip_adapter and Path(self.ip_adapter.repository, "image_encoder")
        if encoder and self.ip_adapter.is_local and not encoder.is_dir() and not any(index.get("image_encoder") or ()):
            raise ValueError(f"--ip-adapter: its image encoder is missing, which has to lie in {str(encoder)!r}.")
        for one in self.all:
            one.path  # noqa: B018

    def load(self, pipe) -> None:
        """
        Loads them into a pipeline. All of them act, with their scales.

        Raises:
            ValueError: One is broken, or of another family of models.
        """
        for one in self.loras:
            with _told(one, "a LoRA"):
                pipe.load_lora_weights(str(one.path.parent), weight_name=one.path.name, adapter_name=one.name)
            if not any(one.name in names for names in pipe.get_list_adapters().values()):
                raise ValueError(f"{one.place!r} holds no LoRA of this model.")
        if self.loras:
            pipe.set_adapters([one.name for one in self.loras], [one.scale for one in self.loras])
        if one := self.ip_adapter:
            with _told(one, "an IP-Adapter"):
                pipe.load_ip_adapter(one.repository, subfolder=one.subfolder, weight_name=one.weight_name)
            pipe.set_ip_adapter_scale(one.scale)


@contextmanager
def with_pictures(pipe, layout: Layout) -> Iterator[None]:
    """
    The pipeline without its IP-Adapter where no region has a picture: diffusers runs none that has nothing to show.

    Args:
        pipe: As it is called.
        layout ([`Layout`]): What it is to draw.
    """
    unet = getattr(pipe, "unet", None)
    projection = getattr(unet, "encoder_hid_proj", None)
    if not hasattr(projection, "image_projection_layers") or any(region.image for region in layout):
        yield
        return
    before = unet.attn_processors
    plain = {name: AttnProcessor2_0() if hasattr(one, "to_k_ip") else one for name, one in before.items()}
    try:
        unet.encoder_hid_proj = None
        unet.set_attn_processor(plain)
        yield
    finally:
        unet.encoder_hid_proj = projection
        unet.set_attn_processor(before)


def _of_picture(making: Making, name: str, given: AdapterFile | None) -> AdapterFile:
    scale, kept = making.adapters[name], making.adapter_files.get(name, {})
    file, digest = kept.get("file", "a file that it does not name"), kept.get("sha256")
    if given is None:
        if not _ON_HUB.fullmatch(file):
            option = "--ip-adapter PLACE" if name == IP_ADAPTER else f"--lora {name}=PLACE"
            raise ValueError(f"The picture was made with {name!r} of {file}: add {option}.")
        given = AdapterFile.written(file, name)
    if digest and given.sha256 != digest:
        raise ValueError(f"{given.place!r} holds other weights than the {name!r} that the picture was made with.")
    return replace(given, scale=scale) if isinstance(scale, (int, float)) else given


def _located(place: str) -> tuple[str, str, str]:
    """Repository, folder in it, and file."""
    path = Path(place).expanduser()
    if path.is_file():
        return str(path.parent), "", path.name
    if place and path.is_dir():
        return str(path), "", _only(place, [one.name for one in path.iterdir()])
    user, name, *rest = place.split("/") if _ON_HUB.fullmatch(place) else ("", "")
    if not name or name.endswith(_WEIGHTS):
        raise ValueError(f"There is no file or folder {place!r}.")
    repository = f"{user}/{name}"
    if rest and rest[-1].endswith(_WEIGHTS):
        return repository, "/".join(rest[:-1]), rest[-1]
    folder = "".join(f"{part}/" for part in rest)
    try:
        listed = list_repo_files(repository)
    except Exception as error:  # of whatever kind: the Hub has many
        raise ValueError(_not_given(place, error)) from None
    return repository, "/".join(rest), _only(place, [n.removeprefix(folder) for n in listed if n.startswith(folder)])


def _only(place: str, names: Iterable[str]) -> str:
    """The file with weights among those of a folder."""
    files = sorted(name for name in names if name.endswith(_WEIGHTS[0]) and "/" not in name)
    if _USUAL in files:
        return _USUAL
    if len(files) != 1:
        example = files[0] if files else f"file{_WEIGHTS[0]}"
        raise ValueError(f"{place!r} holds {len(files)} {_WEIGHTS[0]} files: name one, as in {place}/{example}.")
    return files[0]


def _not_given(place: str, error: Exception) -> str:
    return f"There is no file or folder {place!r}, and the Hub does not give it: {error}"


@contextmanager
def _told(one: AdapterFile, kind: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # of whatever kind: diffusers has many for files that do not fit
        reason = " ".join(str(error).split())
        raise ValueError(f"{one.place!r} cannot be loaded as {kind} of this model: {reason[:200]}") from error
