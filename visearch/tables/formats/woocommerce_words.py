"""The headings of WooCommerce's product CSV: English, German, French, Spanish, Italian, Dutch."""

from __future__ import annotations

import re

from visearch.tables.headings import normal


def _names(*names: str) -> frozenset[str]:
    return frozenset(normal(name) for name in names)


ROLES: dict[str, frozenset[str]] = {
    "id": _names("ID"),
    "type": _names("Type", "Typ", "Tipo"),
    "sku": _names("SKU", "Artikelnummer", "UGS", "COD", "Art.-Nr."),
    "name": _names("Name", "Nom", "Nombre", "Nome", "Naam"),
    "images": _names("Images", "Bilder", "Imágenes", "Immagini", "Afbeeldingen"),
    "parent": _names(
        "Parent", "Übergeordnetes Produkt", "Übergeordnet", "Eltern", "Produit parent", "Superior",
        "Principal", "Padre", "Genitore", "Hoofdproduct", "Hoofd", "Bovenliggend",
    ),
    "published": _names(
        "Published", "Veröffentlicht", "Publié", "Publicado", "Pubblicato", "Gepubliceerd",
    ),
    "regular price": _names(
        "Regular price", "Regulärer Preis", "Normaler Preis", "Preis", "Tarif régulier",
        "Prix régulier", "Precio normal", "Precio regular", "Prezzo di listino", "Reguliere prijs",
    ),
    "sale price": _names(
        "Sale price", "Angebotspreis", "Aktionspreis", "Tarif promo", "Prix promo",
        "Precio rebajado", "Precio de oferta", "Prezzo in offerta", "Actieprijs",
    ),
    "description": _names(
        "Description", "Beschreibung", "Descripción", "Descrizione", "Beschrijving",
    ),
    "short description": _names(
        "Short description", "Kurzbeschreibung", "Description courte", "Descripción corta",
        "Breve descrizione", "Descrizione breve", "Korte beschrijving",
    ),
    "external url": _names(
        "External URL", "Externe URL", "URL externe", "URL externa", "URL esterno",
    ),
}  # fmt: skip

IGNORED = _names(
    # How a product is sold, taxed, downloaded and advertised is not for a shop's visitors.
    "Is featured?", "Visibility in catalog", "Date sale price starts", "Date sale price ends",
    "Tax status", "Tax class", "Low stock amount", "Backorders allowed?", "Sold individually?",
    "Allow customer reviews?", "Purchase note", "Shipping class", "Download limit",
    "Download expiry days", "Grouped products", "Upsells", "Cross-sells", "Button text", "Position",
    "Ist hervorgehoben?", "Ist vorgestellt?", "Empfohlen?", "Sichtbarkeit im Katalog",
    "Datum, an dem Angebotspreis beginnt", "Datum, an dem Angebotspreis endet", "Steuerstatus",
    "Steuerklasse", "Geringe Lagermenge", "Lieferrückstände erlaubt?", "Rückstände erlaubt?",
    "Nur einzeln verkaufen?", "Einzeln verkauft?", "Kundenbewertungen erlauben?",
    "Kundenrezensionen erlauben?", "Hinweis zum Kauf", "Versandklasse", "Download-Limit",
    "Ablauftage des Downloads", "Download-Ablauftage", "Gruppierte Produkte", "Zusatzverkäufe",
    "Button-Text",
    "Mis en avant ?", "Visibilité dans le catalogue", "Date de début de promo",
    "Date de fin de promo", "État de la TVA", "Classe de TVA", "Montant de stock faible",
    "Autoriser les commandes de produits en rupture ?", "Vendre individuellement ?",
    "Autoriser les avis clients ?", "Note de commande", "Classe d'expédition",
    "Limite de téléchargement", "Jours d'expiration du téléchargement", "Groupe de produits",
    "Produits groupés", "Produits suggérés", "Ventes croisées", "Libellé du bouton",
    "¿Está destacado?", "Visibilidad en el catálogo", "Día en que empieza el precio rebajado",
    "Día en que termina el precio rebajado", "Estado del impuesto", "Clase de impuesto",
    "Cantidad de bajo inventario", "Cantidad baja en inventario",
    "¿Permitir reservas de productos agotados?", "¿Vendido individualmente?",
    "¿Permitir valoraciones de clientes?", "Nota de compra", "Clase de envío",
    "Límite de descargas", "Días de caducidad de la descarga", "Productos agrupados",
    "Ventas dirigidas", "Ventas cruzadas", "Texto del botón", "Posición",
)  # fmt: skip

_PARTS = {
    "name": "name|nom|nombre|nome|naam",
    "values": (
        "values?|value s|werte?|wert e|valeurs?|valeur s|valor(?:es)?|valor es|valori?"
        "|waarden?|waarde n"
    ),
    "other": (
        "visible|global|default|sichtbar|standard|visibile|globale|predefinito|por defecto"
        "|par defaut|zichtbaar|globaal"
    ),
}
_WORD = "|".join(f"(?P<{part}>{words})" for part, words in _PARTS.items())
_STEM = "(?:attribute?|attributs|attributo|attribuut|atributo)"
_NUMBERED = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_STEM} (?P<number>[0-9]+) (?:{_WORD})",
        rf"(?:{_WORD}) (?:de l |del |des |von |dell )?{_STEM} (?P<number>[0-9]+)",
        rf"{_STEM} (?:{_WORD}) (?P<number>[0-9]+)",
    )
)


def attribute_part(heading: str) -> tuple[str, str] | None:
    """Return which part of which numbered attribute a heading is: ``("1", "values")``.

    The parts are "name", "values" and "other"; None if it is no such heading.
    """
    name = normal(heading)
    for pattern in _NUMBERED:
        if found := pattern.fullmatch(name):
            return found["number"], next(part for part in _PARTS if found[part])
    return None
