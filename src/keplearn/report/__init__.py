"""The report of a group of runs: one HTML file that holds its data and its program and opens offline."""

from keplearn.report.content import Content, study_content
from keplearn.report.page import render, write_report

__all__ = ["Content", "render", "study_content", "write_report"]
