"""The fixed groups in which people are compared: one rule per demographic field. No imports: the module must stand alone."""

from __future__ import annotations

FIELDS = (
    "age", "gender", "education", "employment", "ethnicity", "marital_status", "housing_ownership", "housing_type", "location",
    "metro_status", "income", "internet_access", "household_size", "party_id", "ideology", "phone_service",
)  # fmt: skip

_EDUCATION = {
    "Less than high school": "High school or less",
    "Some high school (no diploma)": "High school or less",
    "High school graduate or equivalent": "High school or less",
    "Vocational/tech school/some college/associates": "Some college",
    "Bachelor's degree": "Bachelor's degree",
    "Post grad study/professional degree": "Post graduate",
}
_INCOME = {
    **dict.fromkeys(("<5K", "5-9K", "10-14K", "15-19K", "20-29K"), "Under 30K"),
    **dict.fromkeys(("30-39K", "40-49K"), "30-49K"),
    **dict.fromkeys(("50-74K", "75-99K"), "50-99K"),
    **dict.fromkeys(("100-124K", "125-149K", "150-175K+", "175-200K+", "200K+"), "100K and over"),
}
_REGION_STATES = {  # United States Census Bureau
    "Northeast": "Connecticut, Maine, Massachusetts, New Hampshire, New Jersey, New York, Pennsylvania, Rhode Island, Vermont",
    "Midwest": "Illinois, Indiana, Iowa, Kansas, Michigan, Minnesota, Missouri, Nebraska, North Dakota, Ohio, South Dakota, Wisconsin",
    "South": "Alabama, Arkansas, Delaware, District of Columbia, Florida, Georgia, Kentucky, Louisiana, Maryland, Mississippi, "
    "North Carolina, Oklahoma, South Carolina, Tennessee, Texas, Virginia, West Virginia",
    "West": "Alaska, Arizona, California, Colorado, Hawaii, Idaho, Montana, Nevada, New Mexico, Oregon, Utah, Washington, Wyoming",
}
_REGION = {state: region for region, states in _REGION_STATES.items() for state in (region, *states.split(", "))}
_GROUPED = {"education": _EDUCATION, "income": _INCOME, "location": _REGION}


def group_of(field: str, value: str | int | None) -> str | None:
    """The group of one person by one field; None where the field is empty, refused or below 18 years.

    >>> group_of("age", 44), group_of("location", "Ohio"), group_of("gender", "Female"), group_of("age", None)
    ('30-44', 'Midwest', 'Female', None)
    """
    if value is None or value == "Declined to Answer":
        return None
    if field == "age":
        years = int(value)
        return None if years < 18 else "18-29" if years < 30 else "30-44" if years < 45 else "45-59" if years < 60 else "60+"
    if field == "household_size":
        return str(value) if int(value) < 5 else "5+"
    return _GROUPED[field].get(str(value)) if field in _GROUPED else str(value)
