"""Reports: JSON with a schema for machines, one self-contained page for people.

A report is a dictionary: `begin` gives its first fields, `report.schema.json` describes the others.
"""

from refgrad.testing.report._files import read, reserved, to_json, write
from refgrad.testing.report._format import begin, schema
from refgrad.testing.report._page import page
from refgrad.testing.report._validation import validate

__all__ = ["begin", "page", "read", "reserved", "schema", "to_json", "validate", "write"]
