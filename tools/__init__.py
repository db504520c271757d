"""Commands for contributors, run from a checkout by ``make``. They are not part of the installed package."""
