"""Words of our own that the synthetic texts are put together from."""

from __future__ import annotations

from typing import Final

_ENGLISH = """
the a it we they this that was is are not very so too quite rather never always really
film room soup phone battery screen driver waiter book story music sound price parcel seat
kettle charger garden kitchen coat jacket blanket lamp camera printer keyboard hotel flight
ticket menu dessert coffee bread window mattress pillow cable manual refund helpdesk update
good bad great awful lovely dull slow fast cheap costly clean dirty warm cold loud quiet
broken spotless friendly rude helpful careless gorgeous flimsy sturdy delicious bland fresh
stale brilliant tedious charming clumsy honest misleading comfortable cramped reliable
worked stopped arrived broke lasted answered waited ordered returned watched enjoyed regretted
loved hated expected tasted smelled looked felt cost fits leaks rattles shines disappoints
and but because although while after before with without for from again twice yesterday today
tomorrow morning evening week month nobody everybody something nothing
"""
_CHINESE = """
房间很干净 服务员特别热情 下次还会再来 菜都凉了 味道一般 价格实惠 屏幕很清晰 电池太差了
等了两个小时 客服不理人 包装没有破损 快递星期二到的 位置不错 早餐有点少 隔音不好 床很舒服
故事拖沓 演员演得真好 音乐很动听 一口气读完了 看得我都睡着了 用了两天就坏了 质量让人放心
手感很好 颜色和图片不一样 尺寸偏小 退货很麻烦 物超所值 不会再买 值得推荐 分量十足 汤太咸了
老板很实在 停车方便 灯光太暗 水温忽冷忽热 说明书看不懂 声音太小 充电很快 做工粗糙 口感细腻
环境安静 排队太久 态度冷淡 惊喜不断 有些失望 总体满意 说不上好坏 第一次来 朋友也喜欢
"""

ENGLISH: Final = tuple(_ENGLISH.split())
CHINESE: Final = tuple(_CHINESE.split())

ENGLISH_FILLERS: Final = (" a", " so", " it", " good", " bad", " the", " and", ".", "!")
CHINESE_FILLERS: Final = ("好", "了", "很", "的", "不", "人", "，", "。")
"""What a text is brought to its exact length with: most are one token."""
