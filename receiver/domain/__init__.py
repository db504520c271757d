"""What Casebell knows and decides, pure: no clock, no I/O, no vendor's words."""
