"""What Casebell knows and decides. Pure: no clock, no I/O, no random numbers; time and chance are arguments.

Read ``item``, ``fact`` and ``ledger`` first (what changes an item), then ``routing`` and ``notice`` (who is alerted).
"""
