"""Short reviews with their labels: written for these tests, or of a test set."""

from __future__ import annotations

import csv
import gzip
import random
from dataclasses import dataclass
from pathlib import Path

OWN = "own"
TEST_SETS = ("sst", "waimai_10k", "chnsenticorp")
DRAWN = 100  # of a set and a label
MAX_CHARS = 200  # an explanation costs the square of it

POSITIVE = (
    "A charming story, told with warmth and great humour.",
    "The staff were friendly and our room was spotless.",
    "Excellent sound for such a small speaker, I love it.",
    "We had a wonderful evening and the fish was delicious.",
    "Easy to set up, quiet and reliable. Highly recommended!",
    "Her best book so far: clever, moving and beautifully written.",
    "The soup was fresh, the waiter kind and the bill fair.",
    "A gripping thriller with a superb cast.",
    "Fits perfectly and looks even better than on the photo.",
    "Thank you for the quick help, great service 😀",
    "房间干净整洁，前台服务也很热情。",
    "味道很好，分量也足，下次还会再点。",
    "这本书写得非常精彩，值得一读。",
    "物流很快，包装完好，非常满意！",
    "电脑运行流畅，屏幕也很清晰。",
    "水果很新鲜，个头大，又甜又脆。",
    "演员演得真好，看完很感动。",
    "洗完头发很顺滑，香味也好闻。",
    "早餐种类丰富，位置也方便，推荐！",
    "手机手感不错，拍照效果很棒。",
)
NEGATIVE = (
    "A dull and lifeless film with wooden acting.",
    "The room was dirty and the staff were rude.",
    "It broke after two days, what a waste of money.",
    "Cold food, slow waiters and a horrible smell.",
    "The worst customer service I have ever had.",
    "A boring plot and a disappointing end.",
    "Cheap plastic, terrible battery. Avoid!",
    "I was bored after ten minutes and left.",
    "The app is useless and crashes all the time.",
    "My order came late and half of it was missing, awful 😡",
    "房间又脏又吵，再也不会来了。",
    "菜太难吃了，送来的时候都凉了。",
    "质量太差，用了两天就坏了。",
    "客服态度恶劣，一直不给退货。",
    "书的纸张很差，字都印歪了，很失望。",
    "电池不耐用，半天就没电，垃圾。",
    "水果都烂了，根本不能吃。",
    "剧情无聊，浪费时间。",
    "等了两个小时才送到，太慢了！",
    "衣服掉色严重，完全不值这个价钱。",
)


@dataclass(frozen=True)
class Reviews:
    """Texts of a set, the positive ones first, as many of each."""

    name: str
    positive: tuple[str, ...]
    negative: tuple[str, ...]

    @property
    def texts(self) -> list[str]:
        return [*self.positive, *self.negative]

    @property
    def signs(self) -> list[int]:
        return [1] * len(self.positive) + [-1] * len(self.negative)


def open_reviews(name: str, folder: Path | None) -> Reviews:
    """Our own, or texts drawn from `test.csv.gz` of a set in a folder as docs/data.md has it."""
    if folder is None:
        return Reviews(name, POSITIVE, NEGATIVE)
    with gzip.open(folder / name / "test.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if len(row["text"]) <= MAX_CHARS]
    chooser = random.Random(0)
    drawn = [
        chooser.sample([row["text"] for row in rows if row["label"] == label], DRAWN)
        for label in ("positive", "negative")
    ]
    return Reviews(name, tuple(drawn[0]), tuple(drawn[1]))
