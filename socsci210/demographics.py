"""The 16 demographic fields of a persona: names, order, closed vocabularies.

Field names and values are those of the released SocSci210 (the `demographic` struct), so that a built dataset and the release read alike.
The two ideology vocabularies of the release are both kept: they come from different panels and neither maps onto the other.
"""

from __future__ import annotations

from typing import Final

EDUCATION: Final = (
    "Less than high school",
    "Some high school (no diploma)",
    "High school graduate or equivalent",
    "Vocational/tech school/some college/associates",
    "Bachelor's degree",
    "Post grad study/professional degree",
)
INCOME: Final = (
    "<5K", "5-9K", "10-14K", "15-19K", "20-29K", "30-39K", "40-49K", "50-74K",
    "75-99K", "100-124K", "125-149K", "150-175K+", "175-200K+", "200K+",
)  # fmt: skip
STATES: Final = (
    "Alabama", "Alaska", "Arizona", "Arkansas", "California", "Colorado", "Connecticut", "Delaware", "District of Columbia", "Florida",
    "Georgia", "Hawaii", "Idaho", "Illinois", "Indiana", "Iowa", "Kansas", "Kentucky", "Louisiana", "Maine", "Maryland", "Massachusetts",
    "Michigan", "Minnesota", "Mississippi", "Missouri", "Montana", "Nebraska", "Nevada", "New Hampshire", "New Jersey", "New Mexico",
    "New York", "North Carolina", "North Dakota", "Ohio", "Oklahoma", "Oregon", "Pennsylvania", "Rhode Island", "South Carolina",
    "South Dakota", "Tennessee", "Texas", "Utah", "Vermont", "Virginia", "Washington", "West Virginia", "Wisconsin", "Wyoming",
)  # fmt: skip

# Order is the order of the persona lines in a prompt. Ethnicity was never seen in a released prompt; it stands after Employment.
VOCABULARY: Final[dict[str, tuple[str, ...] | None]] = {
    "age": None,  # integer years
    "gender": ("Male", "Female"),
    "education": EDUCATION,
    "employment": (
        "Employed as paid employee",
        "Self-employed",
        "Temporarily laid off",
        "Looking for work",
        "Retired",
        "Disabled",
        "Not working for other reasons",
    ),
    "ethnicity": ("White", "Black", "Hispanic", "2+ Race", "Other"),
    "marital_status": ("Married", "Widowed", "Divorced", "Separated", "Never married", "Living with partner"),
    "housing_ownership": (
        "Owned or being bought by you or someone in your household",
        "Rented for cash",
        "Occupied without payment of cash rent",
    ),
    "housing_type": (
        "A one-family house detached from any other house",
        "A one-family house attached to one or more houses",
        "A building with 2 or more apartments",
        "A mobile home or trailer",
        "Boat, RV, van, etc",
    ),
    "location": STATES,
    "metro_status": ("Metro Area", "Non-Metro Area"),
    "income": INCOME,
    "internet_access": ("Internet Household", "Non-internet household"),
    "household_size": None,  # integer; top codes differ by panel
    "party_id": (
        "Strong Democrat",
        "Moderate Democrat",
        "Lean Democrat",
        "Don't Lean/Independent/None",
        "Lean Republican",
        "Moderate Republican",
        "Strong Republican",
    ),
    "ideology": (
        "Extremely Liberal",
        "Very Liberal",
        "Liberal",
        "Somewhat Liberal",
        "Moderate",
        "Somewhat Conservative",
        "Conservative",
        "Very Conservative",
        "Extremely Conservative",
        "Declined to Answer",
    ),
    "phone_service": (
        "Landline telephone only",
        "Have a landline, but mostly use cellphone",
        "Have cellphone, but mostly use landline",
        "Cellphone only",
        "No telephone service",
    ),
}
REGIONS: Final = ("Northeast", "Midwest", "South", "West")
COARSE: Final[dict[str, tuple[str, ...]]] = {"location": REGIONS}
"""What stands in a field of a dataset that was coarsened for publishing, where that is no value of the vocabulary: census regions."""
FIELDS: Final = tuple(VOCABULARY)
INTEGER_FIELDS: Final = ("age", "household_size")
