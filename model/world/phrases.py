"""The words and sentence patterns of the four languages, as data. `captions.py` and `edits.py` put them together.

A pattern is a text with {fields}. What stands between < and > is left out when one of its fields was not chosen.
Alternatives of a word are separated by |. A word may have a second form after a slash, and {colour2} stands for it: the
form that follows "make it", where it differs from the form that stands beside a noun, or "wooden" beside "wood". A noun
whose language has genders comes with its article, as in a dictionary, and the article decides what the fields of
`genders` stand for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Phrases:
    """One language."""

    sizes: Mapping[str, str]
    colours: Mapping[str, str]
    backgrounds: Mapping[str, str]
    shapes: Mapping[str, str]  # the five shapes and "face"
    materials: Mapping[str, str]
    paces: Mapping[str, str]
    ways: Mapping[str, str]  # where a slide goes
    genders: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: {"": {}})
    thing: tuple[str, ...]  # a body by its looks
    named: tuple[str, ...]  # a body by its reference
    moves: Mapping[str, tuple[str, ...]]  # "still", "slide", "bounce" and "sideways"; a verb, then the rest
    sings: tuple[str, ...]
    clause: str = "{subject} {predicate}"
    link: str  # between two clauses
    linked: Mapping[str, str] = field(default_factory=dict)  # how a clause ends before the link
    scenes: tuple[str, ...]  # {clauses}, or {inverted} with the first verb before its subject, on a {background}
    into: str = "{shape}"  # what a shape is turned into, as {new}
    edits: Mapping[str, tuple[str, ...]]
    repairs: tuple[tuple[str, str], ...] = ()  # regular expressions and what they become
    stop: str = "."


ENGLISH: Final = Phrases(
    sizes={"small": "small|little", "big": "big|large"},
    colours={
        "red": "red",
        "orange": "orange",
        "yellow": "yellow",
        "green": "green",
        "cyan": "cyan",
        "blue": "blue",
        "magenta": "magenta",
        "white": "white",
    },
    backgrounds={"black": "black", "grey": "grey|gray", "navy": "navy", "brown": "brown"},
    shapes={
        "circle": "circle",
        "square": "square",
        "triangle": "triangle",
        "cross": "cross",
        "ring": "ring",
        "face": "face",
    },
    materials={"wood": "wood/wooden", "metal": "metal", "rubber": "rubber"},
    paces={"slowly": "slowly", "quickly": "quickly|fast"},
    ways={"left": "to the left|left", "right": "to the right|right", "up": "up|upwards", "down": "down|downwards"},
    thing=("a <{size} >{colour} {shape}< made of {material}>", "a <{size} >{colour} <{material2} >{shape}"),
    named=("{name}< made of {material}>", "<{material2} >{name}"),
    moves={
        "still": ("stays still", "rests", "does not move"),
        "slide": ("slides< {pace}> {way}", "moves< {pace}> {way}"),
        "bounce": ("bounces< {pace}> up and down", "bounces up and down< {pace}>", "bounces< {pace}>"),
        "sideways": ("bounces< {pace}> from side to side", "bounces from side to side< {pace}>"),
    },
    sings=("sings {notes}", "is singing {notes}", "sings the notes {notes}"),
    link=" and ",
    scenes=(
        "{clauses} on a {background} background",
        "on a {background} background, {clauses}",
        "{clauses} against a {background} background",
    ),
    into="a {shape}",
    edits={
        "recolour": ("make the {shape} {colour}", "paint the {shape} {colour}", "change the {shape} to {colour}"),
        "reshape": ("turn the {shape} into {new}", "change the {shape} into {new}"),
        "remove": ("remove the <{colour} >{shape}", "take the <{colour} >{shape} away"),
        "background": ("make the background {background}", "change the background to {background}"),
        "resound": ("make it sound like {material}", "let it sound like {material}"),
        "replace": (
            "replace the {shape} with {name}",
            "put {name} in place of the {shape}",
            "swap the {shape} for {name}",
        ),
    },
    repairs=((r"\ba orange\b", "an orange"),),
)

JAPANESE: Final = Phrases(
    sizes={"small": "小さな|小さい", "big": "大きな|大きい"},
    colours={
        "red": "赤い/赤",
        "orange": "オレンジ色の/オレンジ色",
        "yellow": "黄色い/黄色|黄色の/黄色",
        "green": "緑の/緑|緑色の/緑色",
        "cyan": "水色の/水色|シアンの/シアン",
        "blue": "青い/青",
        "magenta": "マゼンタの/マゼンタ",
        "white": "白い/白",
    },
    backgrounds={"black": "黒い/黒", "grey": "灰色の/灰色", "navy": "紺色の/紺色", "brown": "茶色の/茶色|茶色い/茶色"},
    shapes={
        "circle": "円|丸",
        "square": "四角|正方形",
        "triangle": "三角|三角形",
        "cross": "十字",
        "ring": "輪|リング",
        "face": "顔",
    },
    materials={"wood": "木", "metal": "金属", "rubber": "ゴム"},
    paces={"slowly": "ゆっくり", "quickly": "速く|素早く"},
    ways={"left": "左へ|左に", "right": "右へ|右に", "up": "上へ|上に", "down": "下へ|下に"},
    thing=("<{material}でできた><{size}>{colour}{shape}", "<{size}>{colour}<{material}製の>{shape}"),
    named=("<{material}でできた>{name}", "<{material}製の>{name}"),
    moves={
        "still": ("止まっている", "じっとしている"),
        "slide": ("<{pace}>{way}滑る", "{way}<{pace}>滑る", "<{pace}>{way}動く"),
        "bounce": ("<{pace}>上下に弾む", "上下に<{pace}>跳ねる", "<{pace}>弾む"),
        "sideways": ("<{pace}>左右に弾む", "左右に<{pace}>跳ねる"),
    },
    sings=("{notes}と歌う", "{notes}を歌う"),
    clause="{subject}が{predicate}",
    link="、",
    linked={"ている": "ていて", "滑る": "滑り", "動く": "動き", "弾む": "弾み", "跳ねる": "跳ね"},
    scenes=("{background}背景で、{clauses}", "{background}背景の前で、{clauses}", "{clauses}。背景は{background2}"),
    edits={
        "recolour": ("{shape}を{colour2}にして", "{shape}の色を{colour2}に変えて", "{shape}を{colour2}に塗って"),
        "reshape": ("{shape}を{new}にして", "{shape}を{new}に変えて"),
        "remove": ("<{colour}>{shape}を消して", "<{colour}>{shape}を取り除いて"),
        "background": ("背景を{background2}にして", "背景を{background2}に変えて"),
        "resound": ("{material}の音にして", "{material}のような音にして"),
        "replace": ("{shape}を{name}に置き換えて", "{shape}の代わりに{name}を置いて"),
    },
    stop="。",
)

GERMAN: Final = Phrases(
    sizes={"small": "klein", "big": "groß"},
    colours={
        "red": "rot",
        "orange": "orangefarben/orange",
        "yellow": "gelb",
        "green": "grün",
        "cyan": "türkisfarben/türkis|cyanfarben/cyan",
        "blue": "blau",
        "magenta": "magentafarben/magenta",
        "white": "weiß",
    },
    backgrounds={"black": "schwarz", "grey": "grau", "navy": "marineblau", "brown": "braun"},
    shapes={
        "circle": "der Kreis",
        "square": "das Quadrat",
        "triangle": "das Dreieck",
        "cross": "das Kreuz",
        "ring": "der Ring",
        "face": "das Gesicht",
    },
    materials={"wood": "Holz", "metal": "Metall", "rubber": "Gummi"},
    paces={"slowly": "langsam", "quickly": "schnell"},
    ways={"left": "nach links", "right": "nach rechts", "up": "nach oben", "down": "nach unten"},
    genders={
        "der": {"er": "er", "den": "den", "en": "en", "einen": "einen"},
        "das": {"er": "es", "den": "das", "en": "e", "einen": "ein"},
    },
    thing=(
        "ein <{size}{er} >{colour}{er} {shape}< aus {material}>",
        "ein <{size}{er} >{colour}{er} {shape}< ganz aus {material}>",
    ),
    named=("{name}< aus {material}>", "{name}< ganz aus {material}>"),
    moves={
        "still": ("steht still", "ruht", "bleibt an seinem Platz"),
        "slide": ("gleitet< {pace}> {way}", "rutscht< {pace}> {way}"),
        "bounce": ("hüpft< {pace}> auf und ab", "springt< {pace}> auf und ab", "hüpft< {pace}>"),
        "sideways": ("prallt< {pace}> hin und her", "springt< {pace}> von einer Seite zur anderen"),
    },
    sings=("singt {notes}", "singt die Noten {notes}", "singt die Töne {notes}"),
    link=" und ",
    scenes=(
        "{clauses} auf {background}em Hintergrund",
        "{clauses} vor {background}em Hintergrund",
        "auf {background}em Hintergrund {inverted}",
    ),
    into="{einen} {shape}",
    edits={
        "recolour": ("mach {den} {shape} {colour2}", "färbe {den} {shape} {colour2}"),
        "reshape": ("verwandle {den} {shape} in {new}", "ersetze {den} {shape} durch {new}"),
        "remove": ("entferne {den} <{colour}{en} >{shape}", "nimm {den} <{colour}{en} >{shape} weg"),
        "background": ("mach den Hintergrund {background2}", "färbe den Hintergrund {background2}"),
        "resound": ("lass es wie {material} klingen", "es soll wie {material} klingen"),
        "replace": ("ersetze {den} {shape} durch {name}", "tausche {den} {shape} gegen {name} aus"),
    },
)

FRENCH: Final = Phrases(
    sizes={"small": "petit{e}", "big": "grand{e}"},
    colours={
        "red": "rouge",
        "orange": "orange",
        "yellow": "jaune",
        "green": "vert{e}/vert",
        "cyan": "cyan",
        "blue": "bleu{e}/bleu",
        "magenta": "magenta",
        "white": "blanc{he}/blanc",
    },
    backgrounds={"black": "noir", "grey": "gris", "navy": "bleu marine", "brown": "brun|marron"},
    shapes={
        "circle": "le cercle",
        "square": "le carré",
        "triangle": "le triangle",
        "cross": "la croix",
        "ring": "le anneau",
        "face": "le visage",
    },
    materials={"wood": "bois", "metal": "métal", "rubber": "caoutchouc"},
    paces={"slowly": "lentement", "quickly": "rapidement|vite"},
    ways={"left": "vers la gauche", "right": "vers la droite", "up": "vers le haut", "down": "vers le bas"},
    genders={
        "le": {"un": "un", "le": "le", "du": "du", "e": "", "he": ""},
        "la": {"un": "une", "le": "la", "du": "de la", "e": "e", "he": "he"},
    },
    thing=(
        "{un} <{size} >{shape} {colour}< en {material}>",
        "{un} <{size} >{shape} {colour}< fait{e} de {material}>",
    ),
    named=("{name}< en {material}>", "{name}< fait de {material}>"),
    moves={
        "still": ("reste immobile", "ne bouge pas", "reste sur place"),
        "slide": ("glisse< {pace}> {way}", "se déplace< {pace}> {way}"),
        "bounce": ("rebondit< {pace}> de haut en bas", "saute< {pace}> de haut en bas", "rebondit< {pace}>"),
        "sideways": ("rebondit< {pace}> d'un côté à l'autre", "rebondit< {pace}> de gauche à droite"),
    },
    sings=("chante {notes}", "chante les notes {notes}"),
    link=" et ",
    scenes=(
        "{clauses} sur fond {background}",
        "{clauses} sur un fond {background}",
        "sur fond {background}, {clauses}",
    ),
    edits={
        "recolour": (
            "peins {le} {shape} en {colour2}",
            "rends {le} {shape} {colour}",
            "mets {le} {shape} en {colour2}",
        ),
        "reshape": ("transforme {le} {shape} en {new}", "change {le} {shape} en {new}"),
        "remove": ("enlève {le} {shape}< {colour}>", "supprime {le} {shape}< {colour}>"),
        "background": ("mets le fond en {background}", "rends le fond {background}"),
        "resound": ("fais que ça sonne comme du {material}", "donne-lui un son de {material}"),
        "replace": ("remplace {le} {shape} par {name}", "mets {name} à la place {du} {shape}"),
    },
    repairs=((r"\ble anneau\b", "l'anneau"), (r"\bdu anneau\b", "de l'anneau")),
)

PHRASES: Final[Mapping[str, Phrases]] = {"en": ENGLISH, "ja": JAPANESE, "de": GERMAN, "fr": FRENCH}
