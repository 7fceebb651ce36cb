"""The generative model of the simulated studies: every answer comes from the formula below, so its true probability is known.

Person i answers question q (of type t, in study s on topic p) under condition c with latent value

    eta = mu_t + u_s + r_q + lambda_t * (sum over elements e of c: beta_e + gamma_e * party_i) + w_cq + phi_t * sum_k a_pk x_ik + d_i

and the response y on a scale of K values low, low + 1, ..., high follows ordinal thresholds with logistic noise:

    P(y <= low + k - 1) = 1 / (1 + exp(-(tau_tk - eta))),   tau_tk = width_t * (2 k / K - 1),   k = 1 .. K - 1

- x_ik: covariates of the person (`personas.covariates`); a_pk = `PERSONA[k] * TOPICS[p][...]`: one sign per covariate in every study.
- beta_e, gamma_e: the elements a condition is made of (`ELEMENTS`): few, with a fixed sign, and recurring across studies.
- mu_t, width_t, lambda_t, phi_t: the type of question (`TYPES`): each has its own stable shape. A concern is about drawbacks, so its
  lambda and phi are negative.
- u_s, r_q, w_cq, d_i: what no text tells: normal residuals of study, item, condition x item and person (`SD`).

Drawn anew per seed: people, residuals, and each beta within +-15 % of its stated size. Answers on 0..100 heap: with probability `HEAP` they
are rounded to the nearest ten. A conjoint profile adds the effects of its levels to eta (`conjoint`); a fee named in the text adds
lambda_t * `FEE_STEP` per level. Whether an answer is missing does not depend on it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import conjoint, personas
from .catalogue import DESIGNS
from .designs import Design, Question
from .personas import Codes, Floats


class Element(NamedTuple):
    """Main effect and interaction with party (+1: strong Republican), in latent units (logistic noise has scale 1)."""

    beta: float
    gamma: float = 0.0


class Type(NamedTuple):
    """A kind of question: its scale, location and width of the thresholds, and how far elements and personas move it."""

    low: int
    high: int
    mu: float
    width: float
    elements: float
    persona: float


ELEMENTS: Final = {
    "scientists": Element(0.6),
    "neighbor": Element(0.35),
    "democrats": Element(0.0, -0.9),
    "republicans": Element(0.0, 0.9),
    "industry": Element(-0.6),
    "gain": Element(0.3),
    "loss": Element(0.5),
    "cost": Element(-0.75),
    "free": Element(0.65),
    "local": Element(0.3),
    "national": Element(-0.3),
    "statistic": Element(0.25),
    "story": Element(0.45),
    "urgency": Element(0.4),
    "norm": Element(0.45),
    "critics": Element(-0.75),
    "mandatory": Element(-0.6),
    "voluntary": Element(0.35),
    "success": Element(0.65),
    "failure": Element(-0.9),
}
TYPES: Final = {
    "support": Type(1, 7, 1.0, 4.5, 1.0, 1.0),
    "likelihood": Type(1, 7, -1.2, 4.5, 0.8, 0.6),
    "trust": Type(1, 7, -0.2, 6.0, 0.9, 0.8),
    "fairness": Type(1, 7, 0.6, 5.0, 0.9, 0.8),
    "concern": Type(1, 7, 1.8, 5.0, -0.7, -0.6),
    "willingness": Type(1, 7, -2.2, 5.0, 0.9, 0.7),
    "convincing": Type(1, 7, 0.4, 6.0, 1.1, 0.6),
    "importance": Type(1, 5, 2.0, 4.5, 0.7, 0.8),
    "vote": Type(0, 1, 0.9, 1.0, 0.6, 0.8),
    "rating": Type(0, 10, 1.2, 5.0, 0.9, 0.6),
    "chance": Type(0, 100, 0.0, 4.5, 0.8, 0.4),
    "choice": Type(1, 2, -0.6, 1.0, 0.0, 0.0),
}
PERSONA: Final = {"party": -0.7, "ideology": -0.5, "age": -0.3, "education": 0.35, "female": 0.3, "income": 0.15, "metro": 0.2}
TOPICS: Final = {  # how far (party and ideology, the other covariates) matter
    "environment": (1.4, 1.0),
    "health": (0.9, 1.2),
    "transport": (0.8, 1.0),
    "civic": (0.8, 0.8),
    "consumer": (0.5, 1.0),
    "education": (0.9, 1.0),
    "technology": (0.4, 1.2),
}
SD: Final = {"study": 0.2, "item": 0.2, "cell": 0.12, "person": 0.4}
JITTER: Final = 0.15
HEAP: Final = 0.8
FEE_STEP: Final = -0.3  # latent change per level of a fee, from the middle one


@dataclass(frozen=True)
class Asked:
    """One question (item) as one group of people met it. Arrays have one entry per person of the study, unfinished ones included.

    `missing`: 0 answered, 1 refused, 2 don't know, 3 left blank.
    """

    task: int
    item: int
    arm: Codes
    eta: Floats
    response: Codes
    missing: NDArray[np.int8]


@dataclass(frozen=True)
class Sample:
    """One study of one world: its people in deposit order, what they were asked and answered."""

    design: Design
    people: dict[str, Codes]
    kept: NDArray[np.bool_]  # False: did not finish, to be left out by the study file's filter
    arm: Codes  # index of the person's condition, shape (people, rounds): one round, or one per arm in a within-person design
    fill: Codes | None
    profiles: dict[str, Codes]  # levels of conjoint attributes by column
    asked: tuple[Asked, ...]


class World:
    """A simulated world: `people` finished participants per study, all drawn from `seed`."""

    def __init__(self, seed: int = 0, people: int = 600) -> None:
        self.seed, self.people = seed, people

    def rng(self, *names: str) -> np.random.Generator:
        """A generator of its own for each name, so that adding a study changes no other."""
        digest = hashlib.sha256("/".join(("socsci210 world", str(self.seed), *names)).encode()).digest()
        return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))

    def element_sizes(self) -> dict[str, Element]:
        """The elements' effects in this world: the stated sizes within `JITTER`."""
        factors = self.rng("elements").uniform(1 - JITTER, 1 + JITTER, len(ELEMENTS))
        return {name: Element(e.beta * f, e.gamma * f) for (name, e), f in zip(ELEMENTS.items(), factors, strict=True)}

    def sample(self, study: str) -> Sample:
        """People and answers of one study."""
        return _sample(self.seed, self.people, study)


@lru_cache(maxsize=2)
def _sample(seed: int, n: int, study: str) -> Sample:
    world, design = World(seed, n), DESIGNS[study]
    rng = world.rng(study, "people")
    extra = n // 25 if design.finished else 0
    kept = np.ones(n + extra, dtype=bool)
    kept[rng.choice(n + extra, extra, replace=False)] = False
    people = personas.draw(rng, n + extra)
    if design.assigned == "within":
        arm = rng.permuted(np.tile(np.arange(len(design.arms)), (n + extra, 1)), axis=1)
    else:
        arm = rng.integers(0, len(design.arms), (n + extra, 1))
        arm[kept, 0] = rng.permutation(np.arange(n) % len(design.arms))
    fill = rng.integers(1, len(design.fill.levels) + 1, n + extra) if design.fill else None
    profiles = conjoint.draw(rng, n + extra) if design.conjoint else {}
    sample = Sample(design, people, kept, arm, fill, profiles, ())
    return replace(sample, asked=tuple(_asked(world, sample)))


def _asked(world: World, sample: Sample) -> list[Asked]:
    design, n = sample.design, len(sample.kept)
    rng, residual = world.rng(design.id, "answers"), world.rng(design.id, "residuals")
    sizes, study = world.element_sizes(), residual.normal(0, SD["study"])
    x = personas.covariates(sample.people)
    taste, person = x @ loadings(design.topic), rng.normal(0, SD["person"], n)
    main = np.array([sum(sizes[e].beta for e in arm.elements) for arm in design.arms])
    party = np.array([sum(sizes[e].gamma for e in arm.elements) for arm in design.arms])
    rate = rng.uniform(0.01, 0.04)
    asked = []
    for task, question in enumerate(design.questions):
        kind = TYPES[question.kind]
        for item in range(max(1, len(question.items))):
            if item == 0 or design.assigned != "within":  # there, items are rounds of one and the same question
                item_effect, cell = residual.normal(0, SD["item"]), residual.normal(0, SD["cell"], len(design.arms))
            arm = sample.arm[:, item % sample.arm.shape[1]]
            eta = kind.mu + study + item_effect + kind.elements * (main[arm] + party[arm] * x[:, 0]) + cell[arm]
            eta = eta + kind.persona * taste + person
            if sample.fill is not None:
                eta = eta + kind.elements * FEE_STEP * (sample.fill - 2)
            if design.conjoint and question.items:
                eta = conjoint.latent(question.kind, question.items[item], eta, sample.profiles)
            response = respond(rng, eta, kind)
            asked.append(Asked(task, item, arm, eta, response, _missing(rng, n, rate, design)))
    return asked


def loadings(topic: str) -> Floats:
    """What each covariate adds to the latent value on this topic, in the order of `personas.COVARIATES`."""
    politics, rest = TOPICS[topic]
    return np.array([PERSONA[k] * (politics if k in ("party", "ideology") else rest) for k in personas.COVARIATES])


def thresholds(kind: Type) -> Floats:
    """tau_1 .. tau_{K-1}."""
    size = kind.high - kind.low + 1
    return kind.width * (2 * np.arange(1, size) / size - 1)


def probabilities(eta: Floats, kind: Type) -> Floats:
    """Shape (people, K): the true probability of every answer for every person."""
    below = 1 / (1 + np.exp(-(thresholds(kind)[None, :] - eta[:, None])))
    exact = np.diff(below, prepend=0.0, append=1.0, axis=1)
    return exact @ heaping() if kind.high == 100 else exact


def heaping() -> Floats:
    """(101, 101): where an exact answer on 0..100 ends up."""
    moved = np.eye(101) * (1 - HEAP)
    moved[np.arange(101), nearest_ten(np.arange(101))] += HEAP
    return moved


def nearest_ten(values: Codes) -> Codes:
    """Rounded to tens, fives upwards."""
    return (values + 5) // 10 * 10


def respond(rng: np.random.Generator, eta: Floats, kind: Type) -> Codes:
    """One response per person, drawn through the thresholds."""
    response = kind.low + np.searchsorted(thresholds(kind), eta + rng.logistic(size=len(eta))).astype(np.int64)
    return np.where(rng.random(len(eta)) < HEAP, nearest_ten(response), response) if kind.high == 100 else response


def _missing(rng: np.random.Generator, n: int, rate: float, design: Design) -> NDArray[np.int8]:
    """Who gave no answer, and how: refused and don't know where the deposit has codes for them, else a blank."""
    reason = np.where(rng.random(n) < 0.6, 1, 2) if design.refused is not None else np.full(n, 3)
    return np.where(rng.random(n) < rate, reason, 0).astype(np.int8)


def question_type(question: Question) -> Type:
    """The type of a question."""
    return TYPES[question.kind]
