"""Vendors of the simulator: module `vendors/<name with _>.py` with a class VENDOR, derived from vendors.base.Vendor."""

import importlib
import importlib.util

from options import OptionError


def load(name):
    """Class of the vendor called `name`, e.g. cisa-kev."""
    module = "vendors." + name.replace("-", "_")
    if not name.replace("-", "").isalnum() or importlib.util.find_spec(module) is None:
        raise OptionError(f"no vendor {name}")
    return importlib.import_module(module).VENDOR
