"""Casebell: rings when a debt-collection case needs a person.

The walk of every piece of data, from left to right:

1. bytes arrive      ``web/hooks.py: receive``             request -> raw body and headers, capped in size and time
2. verified          ``<system>/inbound.py: verify``       bytes, headers, now -> its identity, or RejectedError
3. stored            ``ingest.py: accept``                 -> inbox row, commit, then the answer
4. understood        ``ingest.py: drain``                  row -> facts (fetched where it is only a hint), or a click
5. applied, routed   ``apply.py: apply_fact``              fact -> item + history + outbox rows, one transaction
6. rendered          ``notifiers/<channel>/render.py``     Notice -> blocks or MIME; pure
7. delivered         ``dispatcher.py: dispatch_due``, ``dispatch.py: deliver``  outbox row -> message reference stored
8. acted upon        1-4 again, ``act.py: take_action``    click -> allowed? current? -> fact + outbox row
9. resolved          ``upstream/<system>/client.py: carry_out``  the source confirms -> fact -> 5 redraws every message
"""
