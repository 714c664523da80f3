"""What a clinic made of the protocol: when each patient's doses and sessions were given, by whom, and who was lost."""

from __future__ import annotations

from dataclasses import dataclass

from kaptrial.arrays import Bools, Floats, Ints


@dataclass(frozen=True, kw_only=True)
class DeliveredTreatment:
    """The treatment that the patients of some replicates were given. Days count from the patient's own day 0.

    `event_day`: (replicate, patient, treatment event), the arm's doses first, then its sessions, each in the protocol's
    order; NaN for one that was not given. `therapist`: (replicate, patient), numbered within the replicate, −1 where
    there was none. `loss_day`: (replicate, patient), from then on nothing is given or measured; infinite for those who
    stayed. `visit_missed`: (replicate, patient, visit).
    """

    event_day: Floats
    therapist: Ints
    loss_day: Floats
    visit_missed: Bools

    def of_patients(self, part: slice) -> DeliveredTreatment:
        """The same of some of the patients."""
        return DeliveredTreatment(**{name: x[:, part] for name, x in vars(self).items()})
