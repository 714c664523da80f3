"""The methods of analysis: each file adds its methods to the table, for simulated trials and for files of data."""

from importlib import import_module
from pkgutil import iter_modules

for _module in sorted(each.name for each in iter_modules(__path__)):
    import_module(f"{__name__}.{_module}")
