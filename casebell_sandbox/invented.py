"""Invented claims against invented debtors, shared by both sources: the n-th debt is the n-th case."""

from dataclasses import dataclass

ISSUER = "Nordlys Supplies ApS"


@dataclass(frozen=True, slots=True)
class Claim:
    """A debt and its debtor; ``amount`` in major units."""

    reference: str
    amount: float
    currency: str
    firstname: str
    lastname: str
    company: str | None
    country: str
    city: str

    @property
    def debtor(self) -> str:
        return self.company or f"{self.firstname} {self.lastname}"

    @property
    def email(self) -> str:
        return f"contact@{self.country.lower()}.debtor.example"


# currency, amount, first name, last name, company, country, city
DEBTORS: tuple[tuple[str, float, str, str, str | None, str, str], ...] = (
    ("EUR", 1500.00, "Camille", "Moreau", "Moreau & Fils SARL", "FR", "Lyon"),
    ("EUR", 800.00, "Jonas", "Weber", "Weber Metallbau GmbH", "DE", "Essen"),
    ("DKK", 12450.50, "Freja", "Nørgaard", "Nørgaard Byg ApS", "DK", "Aarhus"),
    ("EUR", 3120.75, "Sofía", "García Núñez", None, "ES", "Sevilla"),
    ("GBP", 642.30, "Oliver", "O’Connor", "O’Connor Catering Ltd", "GB", "Leeds"),
    ("EUR", 18990.00, "Giulia", "D'Angelo", "Officine D'Angelo S.r.l.", "IT", "Torino"),
    ("JPY", 184000, "Yūki", "Tanaka", "Tanaka Trading KK", "JP", "Ōsaka"),
    ("EUR", 96.40, "Łukasz", "Wójcik", None, "PL", "Gdańsk"),
    ("EUR", 5230.10, "Anouk", "van den Berg", "Van den Berg Logistiek B.V.", "NL", "Utrecht"),
    ("EUR", 1249.99, "Δήμητρα", "Παπαδοπούλου", None, "GR", "Πάτρα"),
)


def claim(n: int) -> Claim:
    """The n-th claim, counted from one. Debtors repeat; references and amounts do not."""
    currency, amount, first, last, company, country, city = DEBTORS[(n - 1) % len(DEBTORS)]
    later = (n - 1) // len(DEBTORS)
    return Claim(f"INV-2024-{n:03d}", amount + 100 * later, currency, first, last, company, country, city)
