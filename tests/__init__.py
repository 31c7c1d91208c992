"""Tests across the packages, and what the tests of several packages share."""
