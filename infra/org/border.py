"""What one organisation's guard is to be: the `equerry:border` of a stack file, held against the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from infra.errors import Impossible, Refused
from infra.spec import CATALOGUE
from policies.catalogue import Catalogue

__all__ = ["HAVE_NONE", "Border"]

#: Clouds that have no such guard, and what is left to do there.
HAVE_NONE: Final[Mapping[str, str]] = {
    "ovh": "Activate in the public-cloud project only regions of the jurisdiction, and keep one project to a cell.",
    "scaleway": "Keep one project to a cell, give its keys to nobody else, and let the policy pack judge every change.",
    "local": "A machine of yours is guarded by you.",
}


class Border(BaseModel):
    """One guard: on which cloud, for which jurisdiction, over whom."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    provider: Literal["aws", "gcp", "azure", "alicloud", "ovh", "scaleway", "local"]
    """Whose organisation it is."""
    jurisdiction: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
    """Beyond which nothing may be made."""
    regions: Annotated[tuple[str, ...], Field(min_length=1, max_length=32)]
    """The provider's names of the regions that may be used; fewer are better."""
    target: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._/-]{1,200}$")]
    """The organisational unit, folder or management group that holds the accounts of this jurisdiction's cells."""

    @classmethod
    def parse(cls, value: Mapping[str, Any], catalogue: Catalogue) -> Border:
        """From a stack file. Raises Refused for what cannot be read, Impossible for what cannot be had."""
        try:
            border = cls.model_validate(value)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(step) for step in first["loc"]) or "border"
            raise Refused(f"equerry:border, {place}: {first['msg']}.") from None
        if border.provider in HAVE_NONE:
            raise Impossible(f"{border.provider} has no organisation guard. {HAVE_NONE[border.provider]}")
        border._lies_inside(catalogue)
        return border

    def _lies_inside(self, catalogue: Catalogue) -> None:
        provider = CATALOGUE.get(self.provider, self.provider)
        known = {region.id: region.jurisdiction for region in catalogue.regions}
        for region in self.regions:
            found = known.get(f"{provider}/{region}")
            if found != self.jurisdiction:
                inside = sorted(
                    id_.partition("/")[2]
                    for id_, where in known.items()
                    if where == self.jurisdiction and id_.startswith(f"{provider}/")
                )
                raise Impossible(
                    f"{provider}/{region} lies in {found or 'no place that the catalogue knows'}, not in "
                    f"{self.jurisdiction}. There are {', '.join(inside) or 'none'}."
                )
