"""Readers: files of a deposit become typed objects.

Nothing here interprets a code: values stay as stored, and what the file says about them (labels, declared missing values) stands beside.
Every file is read from bytes whose hash, format and unpacked size were checked first.
"""

from .data import read_data
from .documents import read_document
from .types import Block, Code, Column, Document, RawTable

__all__ = ["Block", "Code", "Column", "Document", "RawTable", "read_data", "read_document"]
