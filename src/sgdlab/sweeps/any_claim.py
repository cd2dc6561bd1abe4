"""All kinds of claims that a sweep file may make."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sgdlab.sweeps.claims import (
    AgreementClaim,
    CollapseClaim,
    DifferenceClaim,
    GainClaim,
    OptimumRatioClaim,
    TrendClaim,
)
from sgdlab.sweeps.training_claims import LevelClaim, ShareClaim, SlopeClaim
from sgdlab.sweeps.tuned_claims import OrderClaim, ScalingClaim, SpreadClaim

Claim = Annotated[
    GainClaim
    | OptimumRatioClaim
    | TrendClaim
    | DifferenceClaim
    | CollapseClaim
    | AgreementClaim
    | ScalingClaim
    | OrderClaim
    | SpreadClaim
    | LevelClaim
    | SlopeClaim
    | ShareClaim,
    Field(discriminator="kind"),
]
