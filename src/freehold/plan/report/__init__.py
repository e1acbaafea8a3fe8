"""The plan as one self-contained page: no script, no network, prints well."""

from freehold.plan.report.page import render_html

__all__ = ["render_html"]
