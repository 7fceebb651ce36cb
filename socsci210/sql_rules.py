"""What a study file's SQL may hold. Everything not named here is refused. Used by `expressions` alone.

All of it is row-local (a row's result depends on that row), deterministic (no clock, no chance, no settings, no time zone) and cheap:
nothing that makes long text or lists out of short ones at will.
"""

from __future__ import annotations

from typing import Final

MAX_LENGTH: Final = 20_000
"""Characters of one expression."""

MAX_GROWTH: Final = 1000
"""How many times longer the replacements of one expression together may make a text. Nested ones multiply: five of a hundred letters
each would ask for terabytes, inside one step that cannot be interrupted."""
REPLACING: Final = frozenset({"replace", "regexp_replace"})

OPERATORS: Final = frozenset(
    {"COMPARE_IN", "COMPARE_NOT_IN", "OPERATOR_NOT", "OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL", "OPERATOR_COALESCE"}
)
CLASSES: Final = frozenset(
    {"BETWEEN", "CASE", "CAST", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION", "OPERATOR", "TYPE"}
)
LITERALS: Final = frozenset({"INTEGER", "NUMERIC", "STRING", "BOOLEAN", "NULL_LITERAL"})
TYPES: Final = frozenset(
    [
        "bool",
        "boolean",
        "tinyint",
        "smallint",
        "int",
        "integer",
        "bigint",
        "hugeint",
        "float",
        "real",
        "double",
        "decimal",
        "numeric",
        "varchar",
        "char",
        "text",
        "string",
        "date",
        "timestamp",
        "datetime",
    ]
)

_SYMBOLS: Final = ["+", "-", "*", "/", "//", "%", "**", "^", "||", "&", "|", "~~", "!~~", "~~*", "!~~*", "~~~"]
_LOGIC: Final = ["if", "nullif"]
_NUMBERS: Final = [
    "abs",
    "sign",
    "round",
    "floor",
    "ceil",
    "ceiling",
    "trunc",
    "sqrt",
    "exp",
    "ln",
    "log",
    "log2",
    "log10",
    "pow",
    "power",
    "mod",
    "greatest",
    "least",
    "isnan",
    "isinf",
    "isfinite",
]
_TEXT: Final = [
    "lower",
    "upper",
    "lcase",
    "ucase",
    "trim",
    "ltrim",
    "rtrim",
    "length",
    "len",
    "substr",
    "substring",
    "left",
    "right",
    "concat",
    "concat_ws",
    "replace",
    "contains",
    "starts_with",
    "ends_with",
    "prefix",
    "suffix",
    "strpos",
    "instr",
    "position",
    "split_part",
    "strip_accents",
    "regexp_matches",
    "regexp_full_match",
    "regexp_extract",
    "regexp_replace",
    "like_escape",
    "not_like_escape",
    "ilike_escape",
    "not_ilike_escape",
]
_DATES: Final = ["year", "month", "day", "date_part", "datepart", "date_diff", "datediff", "date_trunc", "datetrunc", "make_date"]
FUNCTIONS: Final = frozenset([*_SYMBOLS, *_LOGIC, *_NUMBERS, *_TEXT, *_DATES])
SHOWN_FUNCTIONS: Final = ", ".join(sorted(name for name in FUNCTIONS if name.isidentifier()))

# Words for what is refused, by class of the parsed tree.
REFUSED_CLASSES: Final = {
    "SUBQUERY": "a subquery: it could read other rows or tables",
    "WINDOW": "a window function: it reads other rows",
    "STAR": "a star or COLUMNS(...): name the columns",
    "PARAMETER": "a parameter: nothing would fill it",
    "POSITIONAL_REFERENCE": "a positional reference: name the column",
    "LAMBDA": "a lambda function",
    "COLLATE": "a collation",
    "DEFAULT": "the word DEFAULT",
}
CLOCK_WORDS: Final = frozenset(
    [
        "current_date",
        "current_time",
        "current_timestamp",
        "localtime",
        "localtimestamp",
        "current_user",
        "session_user",
        "user",
        "current_role",
        "current_catalog",
        "current_schema",
        "current_database",
    ]
)
NOT_DETERMINISTIC: Final = frozenset(
    [
        "random",
        "setseed",
        "uuid",
        "gen_random_uuid",
        "uuidv4",
        "uuidv7",
        "now",
        "today",
        "get_current_time",
        "get_current_timestamp",
        "transaction_timestamp",
        "nextval",
        "currval",
        "current_date",
        "current_time",
        "current_timestamp",
        "txid_current",
        "age",
    ]
)
READS_OUTSIDE: Final = frozenset(
    [
        "getenv",
        "current_setting",
        "getvariable",
        "read_csv",
        "read_csv_auto",
        "read_text",
        "read_blob",
        "read_json",
        "read_json_auto",
        "read_parquet",
        "parquet_scan",
        "glob",
        "sniff_csv",
        "query",
        "query_table",
        "duckdb_settings",
        "pragma_table_info",
    ]
)
