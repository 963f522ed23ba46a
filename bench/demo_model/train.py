"""Train the teacher, then the student in two phases: on names alone, then also on the teacher.

Student loss: symmetric contrastive, plus a throw-away table of one vector a concept that both
towers classify against; in the second phase also the teacher's class scores on the same views,
a quarter of which are mixtures of two. Uses pools.py and towers.py; next: evaluate.py, export.py.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .concepts import read_concepts
from .evaluate import development_line, table_accuracy
from .pools import in_background, load_pool, view_batches
from .prototypes import prototypes
from .tokens import caption_table
from .towers import DRAFT_TEXT, JOINT, Clip, Teacher

BATCH = 64
CAPTIONED = 32  # rows of a first-phase batch that get a caption; later all but the mixtures
MIXED = 16  # rows of a second-phase batch that are mixtures
HALFWAY = 3500  # second-phase step whose table the text tower starts on
WARM, DECAY, SMOOTH = 300, 0.05, 0.1
TEACHER_RATE, STUDENT_RATE, SECOND_TEXT = 1e-3, 1e-3, 2.0
TEACHER_WIDTH = 256
TEACHER_PLAN = 5000  # steps of its cosine; it is stopped earlier, when it has levelled off
AVERAGE = 0.998
LARGEST_SCALE = math.log(100)


class Heads(nn.Module):
    """The throw-away class table that both towers classify against."""

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.table = nn.Parameter(start.clone())
        self.scale = nn.Parameter(torch.tensor(math.log(16.0)))

    def forward(self, rows: Tensor) -> Tensor:
        """Score unit rows (B, E) against the classes."""
        return rows @ F.normalize(self.table, dim=-1).T * self.scale.exp().clamp(max=40)


@dataclass
class Averaged:
    """A running average of a module's parameters and a copy of its buffers."""

    module: nn.Module
    shadow: dict[str, Tensor]
    steps: int = 0

    def update(self) -> None:
        """Move the average towards the parameters, faster at the start."""
        self.steps += 1
        share = 1 - min(AVERAGE, (1 + self.steps) / (10 + self.steps))
        for name, value in self.module.state_dict().items():
            if value.is_floating_point():
                self.shadow[name].lerp_(value, share)
            else:
                self.shadow[name].copy_(value)


def averaged(module: nn.Module) -> Averaged:
    """Start an average at the module's present values."""
    return Averaged(module, {k: v.detach().clone() for k, v in module.state_dict().items()})


def optimiser(modules: list[nn.Module], text_share: float = 1.0) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices only; `share` is a group's part of the rate."""
    named = [item for m in modules for item in m.named_parameters()]
    groups = []
    for is_text, share in ((False, 1.0), (True, text_share)):
        values = [p for name, p in named if name.startswith("text_") == is_text]
        for decay, many in ((DECAY, True), (0.0, False)):
            some = [p for p in values if (p.ndim > 1) == many]
            if some:
                groups.append({"params": some, "weight_decay": decay, "share": share})
    return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), fused=True)


def set_rate(sgd: torch.optim.AdamW, rate: float) -> None:
    """Set the learning rate of this step."""
    for group in sgd.param_groups:
        group["lr"] = rate * group["share"]


def warm_cosine(step: int, steps: int) -> float:
    """Rise for WARM steps, then fall to zero along a cosine."""
    return min(1.0, step / WARM) * 0.5 * (1 + math.cos(math.pi * step / steps))


def warm_flat(step: int, _steps: int) -> float:
    """Rise for WARM steps, then stay."""
    return min(1.0, step / WARM)


def train_teacher(work: Path, steps: int, seed: int) -> None:
    """Train the convolutional teacher as a classifier and save its averaged weights."""
    torch.manual_seed(seed)
    pool = load_pool(work)
    net = Teacher(prototypes(pool.rgba, pool.label, TEACHER_WIDTH))
    net = net.to(memory_format=torch.channels_last)
    mean, sgd = averaged(net), optimiser([net])
    run, start = torch.compile(net), time.time()
    for step, batch in zip(range(steps), view_batches(pool, BATCH, seed), strict=False):
        set_rate(sgd, TEACHER_RATE * warm_cosine(step, TEACHER_PLAN))
        pixels = batch.pixels.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            scores = run(pixels)
        loss = F.cross_entropy(scores.float(), batch.label, label_smoothing=SMOOTH)
        descend(sgd, [net], loss)
        mean.update()
        if step % 250 == 249 or step + 1 == steps:
            torch.save(mean.shadow, work / "teacher.pt")
            note(work, "teacher", step, start, loss, table_accuracy(work, teacher_scores(work)))


def teacher_scores(work: Path) -> Callable[[Tensor], Tensor]:
    """Load the saved teacher as a function from pixels to class scores."""
    weights = torch.load(work / "teacher.pt")
    net = Teacher(weights["table"])
    net.load_state_dict(weights)
    net = net.eval().to(memory_format=torch.channels_last)

    def scores(pixels: Tensor) -> Tensor:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            return net(pixels.contiguous(memory_format=torch.channels_last)).float()

    return scores


def descend(sgd: torch.optim.Optimizer, modules: list[nn.Module], loss: Tensor) -> None:
    """Take one clipped step."""
    loss.backward()
    nn.utils.clip_grad_norm_([p for m in modules for p in m.parameters()], 2.0)
    sgd.step()
    sgd.zero_grad(set_to_none=True)


def note(work: Path, name: str, step: int, start: float, loss: Tensor, line: str) -> None:
    """Append one line to the run's log and print it."""
    text = f"{name} step {step + 1} {time.time() - start:.0f} s loss {loss.item():.3f} {line}"
    print(text, flush=True)
    with (work / f"{name}.log").open("a", encoding="utf-8") as log:
        log.write(text + "\n")


def plain_batches(work: Path, seed: int) -> Iterator[list[Tensor]]:
    """Yield first-phase batches: pixels, concepts, labels."""
    for batch in view_batches(load_pool(work), BATCH, seed):
        yield [batch.pixels, batch.concept, batch.label]


def taught_batches(work: Path, seed: int) -> Iterator[list[Tensor]]:
    """Yield second-phase batches: as above with MIXED mixtures at the end, and teacher scores."""
    ask, rng = teacher_scores(work), torch.Generator().manual_seed(seed + 1)
    for pixels, concept, label in plain_batches(work, seed):
        share = torch.rand(MIXED, 1, 1, 1, generator=rng) * 0.5 + 0.25
        pixels[-MIXED:].lerp_(pixels[:MIXED], share)
        yield [pixels, concept, label, ask(pixels)]


@dataclass(frozen=True, slots=True)
class Student:
    """The model in training with its compiled towers, table and captions."""

    clip: Clip
    heads: Heads
    images: Callable[[Tensor], Tensor]
    texts: Callable[[Tensor], Tensor]
    captions: tuple[Tensor, Tensor]

    def draw(self, concept: Tensor) -> Tensor:
        """Draw one caption a concept, English for six rows in ten; ids (B, L)."""
        english, chinese = self.captions
        first = torch.randint(english.shape[1], concept.shape)
        second = torch.randint(chinese.shape[1], concept.shape)
        pick = torch.rand(concept.shape)[:, None] < 0.6
        return torch.where(pick, english[concept, first], chinese[concept, second])


def name_loss(student: Student, image: Tensor, text: Tensor, label: Tensor) -> Tensor:
    """Contrast pictures with captions, and classify both against the table."""
    told = label[: len(text)]
    scores = image[: len(text)] @ text.T
    scores = scores * student.clip.logit_scale.clamp(max=LARGEST_SCALE).exp()
    same = (told[:, None] == told).float()
    same = same / same.sum(1, keepdim=True)
    contrast = F.cross_entropy(scores, same) + F.cross_entropy(scores.T, same)
    table = F.cross_entropy(student.heads(image), label, label_smoothing=SMOOTH)
    return contrast / 4 + table + F.cross_entropy(student.heads(text), told)


def student_loss(student: Student, batch: list[Tensor]) -> Tensor:
    """Return the loss of one batch of either phase."""
    pixels, concept, label, *taught = batch
    plain = len(pixels) - (MIXED if taught else 0)
    told = plain if taught else CAPTIONED
    with torch.autocast("cpu", torch.bfloat16):
        image, text = student.images(pixels), student.texts(student.draw(concept[:told]))
    loss = name_loss(student, image[:plain].float(), text.float(), label[:plain])
    for scores in taught:
        ours = F.log_softmax(student.heads(image.float()), -1)
        loss = loss + 2 * F.kl_div(ours, F.softmax(scores, -1), reduction="batchmean")
    return loss


def new_student(work: Path, folder: Path, seed: int) -> Student:
    """Make an untrained student, its towers compiled."""
    torch.manual_seed(seed)
    concepts = read_concepts(work)
    pool = load_pool(work)
    clip, heads = Clip(DRAFT_TEXT), Heads(prototypes(pool.rgba, pool.label, JOINT))
    captions = tuple(torch.from_numpy(t) for t in caption_table(folder, concepts, seed))
    images, texts = torch.compile(clip.images), torch.compile(clip.texts)
    return Student(clip, heads, images, texts, captions)


def train_student(work: Path, folder: Path, phase: int, steps: int, seed: int) -> None:
    """Run one phase, starting the second from the end of the first; save every 500 steps."""
    student = new_student(work, folder, seed)
    modules = [student.clip, student.heads]
    means = [averaged(m) for m in modules]
    sgd = optimiser(modules, SECOND_TEXT if phase == 2 else 1.0)
    if phase == 2:
        resume(work / "student1.pt", modules, means)
    batches = in_background(taught_batches if phase == 2 else plain_batches, work, seed + phase)
    start, plan = time.time(), warm_cosine if phase == 2 else warm_flat
    for step, batch in zip(range(steps), batches, strict=False):
        set_rate(sgd, STUDENT_RATE * plan(step, steps))
        loss = student_loss(student, batch)
        descend(sgd, modules, loss)
        for mean in means:
            mean.update()
        if step % 500 == 499 or step + 1 == steps:
            save(work / f"student{phase}.pt", modules, means)
            if phase == 2 and step + 1 == HALFWAY:
                save(work / "halfway.pt", modules, means)
            line = development_line(work, folder, means[0].shadow, means[1].shadow)
            note(work, f"student{phase}", step, start, loss, line)


def save(path: Path, modules: list[nn.Module], means: list[Averaged]) -> None:
    """Save the weights and their averages."""
    state = {"now": [m.state_dict() for m in modules], "mean": [m.shadow for m in means]}
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def resume(path: Path, modules: list[nn.Module], means: list[Averaged]) -> None:
    """Take up the weights and averages of an earlier phase; the optimiser starts afresh."""
    state = torch.load(path)
    for module, now, mean, past in zip(modules, state["now"], means, state["mean"], strict=True):
        module.load_state_dict(now)
        mean.shadow, mean.steps = past, 10**6
