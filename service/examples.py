"""Worked requests and answers in both languages, for the OpenAPI page."""

from __future__ import annotations

from typing import Any

PREDICT_EXAMPLES: dict[str, Any] = {
    "english": {
        "summary": "English: one text",
        "value": {"inputs": "A lovely little film, warm and funny."},
    },
    "chinese": {
        "summary": "中文: 一条文本",
        "value": {"inputs": "房间很干净,服务员也特别热情,下次还会再来。"},
    },
    "many": {
        "summary": "Both languages at once: a list of texts",
        "value": {
            "inputs": [
                "It stopped working after two days and nobody answers my emails.",
                "外卖送到的时候已经凉了,味道也很一般。",
                "The parcel arrived on Tuesday.",
            ]
        },
    },
    "options": {
        "summary": "Only the best label, long texts cut",
        "value": {"inputs": ["Great value!", "物超所值!"], "top_k": 1, "truncate": True},
    },
}

PREDICTED_EXAMPLES: dict[str, Any] = {
    "english": {
        "summary": "English: one text",
        "value": {
            "model": "default",
            "predictions": [
                {
                    "label": "positive",
                    "score": 0.987,
                    "scores": {"positive": 0.987, "neutral": 0.012, "negative": 0.001},
                    "tokens": 9,
                    "truncated": False,
                }
            ],
        },
    },
    "partly": {
        "summary": "中文: one of two inputs cannot be answered",
        "value": {
            "model": "default",
            "predictions": [
                {
                    "label": "negative",
                    "score": 0.895,
                    "scores": {"negative": 0.895, "neutral": 0.095, "positive": 0.01},
                    "tokens": 10,
                    "truncated": False,
                },
                {
                    "error": {
                        "type": "invalid_input",
                        "message": "the text is empty",
                        "param": "inputs.1",
                    }
                },
            ],
        },
    },
}

CLASSIFY_EXAMPLES: dict[str, Any] = {
    "english": {
        "summary": "English: one text",
        "value": {"inputs": "A lovely little film, warm and funny."},
    },
    "chinese": {
        "summary": "中文: 一条文本",
        "value": {"inputs": "外卖送到的时候已经凉了,味道也很一般。"},
    },
    "options": {
        "summary": "Both languages at once, the best label only",
        "value": {
            "inputs": ["Great value!", "物超所值!"],
            "parameters": {"top_k": 1, "function_to_apply": "softmax", "truncation": True},
        },
    },
}

CLASSIFIED_EXAMPLES: dict[str, Any] = {
    "english": {
        "summary": "English: one text",
        "value": [
            [
                {"label": "positive", "score": 0.987},
                {"label": "neutral", "score": 0.012},
                {"label": "negative", "score": 0.001},
            ]
        ],
    },
    "options": {
        "summary": "Both languages at once, the best label only",
        "value": [[{"label": "positive", "score": 0.989}], [{"label": "positive", "score": 0.889}]],
    },
}

INFER_EXAMPLES: dict[str, Any] = {
    "english": {
        "summary": "English: one text, every output",
        "value": {
            "inputs": [
                {
                    "name": "text",
                    "datatype": "BYTES",
                    "shape": [1],
                    "data": ["A lovely little film, warm and funny."],
                }
            ]
        },
    },
    "many": {
        "summary": "Both languages at once, 只要标签: the labels only, long texts cut",
        "value": {
            "id": "42",
            "parameters": {"truncate": True},
            "inputs": [
                {
                    "name": "text",
                    "datatype": "BYTES",
                    "shape": [2, 1],
                    "data": [["Never again: cold soup, rude waiter."], ["味道很好,分量也足。"]],
                }
            ],
            "outputs": [{"name": "label"}],
        },
    },
}

INFERRED_EXAMPLES: dict[str, Any] = {
    "english": {
        "summary": "English: one text, every output",
        "value": {
            "model_name": "default",
            "model_version": "1.8.0",
            "outputs": [
                {"name": "label", "datatype": "BYTES", "shape": [1], "data": ["positive"]},
                {"name": "score", "datatype": "FP64", "shape": [1], "data": [0.987]},
                {
                    "name": "scores",
                    "datatype": "FP64",
                    "shape": [1, 3],
                    "data": [0.001, 0.012, 0.987],
                },
            ],
        },
    },
    "many": {
        "summary": "Both languages at once, 只要标签: the labels only",
        "value": {
            "model_name": "default",
            "model_version": "1.8.0",
            "id": "42",
            "outputs": [
                {
                    "name": "label",
                    "datatype": "BYTES",
                    "shape": [2],
                    "data": ["negative", "positive"],
                }
            ],
        },
    },
}

ANALYZE_EXAMPLES: dict[str, Any] = {
    "english": {
        "summary": "English: praise and complaint in one text",
        "value": {"inputs": "The acting is superb and the music is lovely. The ending is dull."},
    },
    "explained": {
        "summary": "English: which words moved the score",
        "value": {"inputs": "What a lovely film!", "explain": True},
    },
    "chinese": {
        "summary": "中文: 哪些词影响了结果",
        "value": {"inputs": "味道很好，分量也足。送餐太慢了！", "explain": True},
    },
    "many": {
        "summary": "Both languages at once, long texts cut",
        "value": {
            "inputs": [
                "Great sound and a lovely design. The battery died after two days.",
                "屏幕很漂亮，声音也好。用了两天就坏了，太失望了。",
            ],
            "truncate": True,
        },
    },
}

ANALYZED_EXAMPLES: dict[str, Any] = {
    "english": {
        "summary": "English: praise and complaint in one text",
        "value": {
            "model": "default",
            "analyses": [
                {
                    "label": "negative",
                    "score": -0.841,
                    "probabilities": {"negative": 0.893, "neutral": 0.054, "positive": 0.052},
                    "mixed": True,
                    "tokens": 15,
                    "truncated": False,
                    "sentences": [
                        {
                            "text": "The acting is superb and the music is lovely. ",
                            "offset": 0,
                            "length": 46,
                            "label": "positive",
                            "score": 0.987,
                            "probabilities": {
                                "positive": 0.989,
                                "neutral": 0.008,
                                "negative": 0.002,
                            },
                        },
                        {
                            "text": "The ending is dull.",
                            "offset": 46,
                            "length": 19,
                            "label": "negative",
                            "score": -0.973,
                            "probabilities": {
                                "negative": 0.976,
                                "neutral": 0.022,
                                "positive": 0.003,
                            },
                        },
                    ],
                }
            ],
        },
    },
    "chinese": {
        "summary": "中文: 哪些词影响了结果",
        "value": {
            "model": "default",
            "analyses": [
                {
                    "label": "negative",
                    "score": -0.031,
                    "probabilities": {"negative": 0.499, "positive": 0.468, "neutral": 0.032},
                    "mixed": True,
                    "tokens": 10,
                    "truncated": False,
                    "sentences": [
                        {
                            "text": "味道很好，分量也足。",
                            "offset": 0,
                            "length": 10,
                            "label": "positive",
                            "score": 0.919,
                            "probabilities": {
                                "positive": 0.953,
                                "negative": 0.034,
                                "neutral": 0.014,
                            },
                        },
                        {
                            "text": "送餐太慢了！",
                            "offset": 10,
                            "length": 6,
                            "label": "negative",
                            "score": -0.908,
                            "probabilities": {
                                "negative": 0.94,
                                "positive": 0.032,
                                "neutral": 0.028,
                            },
                        },
                    ],
                    "explanation": {
                        "words": [
                            {"text": "味道很好", "offset": 0, "length": 4, "effect": 0.644},
                            {"text": "，", "offset": 4, "length": 1, "effect": 0.144},
                            {"text": "分量", "offset": 5, "length": 2, "effect": -0.122},
                            {"text": "也", "offset": 7, "length": 1, "effect": 0.234},
                            {"text": "足", "offset": 8, "length": 1, "effect": 0.384},
                            {"text": "。", "offset": 9, "length": 1, "effect": 0.007},
                            {"text": "送餐", "offset": 10, "length": 2, "effect": -0.071},
                            {"text": "太慢了", "offset": 12, "length": 3, "effect": -0.941},
                            {"text": "！", "offset": 15, "length": 1, "effect": -0.099},
                        ],
                        "remainder": -0.211,
                    },
                }
            ],
        },
    },
}

STREAM_EXAMPLES: dict[str, Any] = {
    "lines": {
        "summary": "Texts with and without an id, and a line that is none",
        "value": '{"id": 1, "text": "A lovely little film, warm and funny."}\n'
        '"外卖送到的时候已经凉了,味道也很一般。"\n'
        "so so\n",
    },
}

STREAMED_EXAMPLES: dict[str, Any] = {
    "lines": {
        "summary": "A line for each",
        "value": '{"id":1,"label":"positive","score":0.987,"scores":{"positive":0.987,'
        '"neutral":0.012,"negative":0.001},"tokens":9,"truncated":false}\n'
        '{"label":"negative","score":0.895,"scores":{"negative":0.895,"neutral":0.095,'
        '"positive":0.01},"tokens":10,"truncated":false}\n'
        '{"line":3,"error":{"type":"malformed_body",'
        '"message":"the line is not JSON: Expecting value at 0"}}\n',
    },
}

FILE_EXAMPLES: dict[str, Any] = {
    "reviews": {
        "summary": "Two reviews and an empty one",
        "value": 'id,text\n7,"Great value, will buy again."\n8,味道很差\n9,\n',
    },
}

FILED_EXAMPLES: dict[str, Any] = {
    "reviews": {
        "summary": "With the columns added",
        "value": "id,text,label,score,score_negative,score_neutral,score_positive,error\n"
        '7,"Great value, will buy again.",positive,0.988,0.002,0.01,0.988,\n'
        "8,味道很差,negative,0.985,0.985,0.012,0.003,\n"
        "9,,,,,,,the text is empty\n",
    },
}
