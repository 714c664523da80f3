"""The documentation as a site: `uv run --group docs python -m docs.site_builder` writes it to `site/`."""
