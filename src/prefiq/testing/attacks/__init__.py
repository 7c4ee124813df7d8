"""Attacks on the isolation of tenants, generated from the declarations: ``prefiq doctor tenancy`` and ``TenancyContract``.

Two tenants are made in a database of their own.  One has rows; what it is answered to every question is kept.
Then the other one gets rows with the same ids and the same values, and more that would come first and last.  From
now on the first tenant must be answered, to the letter, as it was alone; a row that only the other one has must be
answered as one that does not exist; and nothing that the first one does may change the other one's rows.
"""

from __future__ import annotations

from prefiq.testing.attacks.attacking import attack
from prefiq.testing.attacks.outcome import Attack, Outcome, Skipped
from prefiq.testing.attacks.scratch import NoScratch, attack_settings

__all__ = ["Attack", "NoScratch", "Outcome", "Skipped", "attack", "attack_settings"]
