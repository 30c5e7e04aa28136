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
                    "score": 0.992,
                    "scores": {"positive": 0.992, "neutral": 0.007, "negative": 0.001},
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
                    "score": 0.954,
                    "scores": {"negative": 0.954, "neutral": 0.041, "positive": 0.005},
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
                {"label": "positive", "score": 0.992},
                {"label": "neutral", "score": 0.007},
                {"label": "negative", "score": 0.001},
            ]
        ],
    },
    "options": {
        "summary": "Both languages at once, the best label only",
        "value": [[{"label": "positive", "score": 0.992}], [{"label": "positive", "score": 0.877}]],
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
            "model_version": "1.0.0",
            "outputs": [
                {"name": "label", "datatype": "BYTES", "shape": [1], "data": ["positive"]},
                {"name": "score", "datatype": "FP64", "shape": [1], "data": [0.992]},
                {
                    "name": "scores",
                    "datatype": "FP64",
                    "shape": [1, 3],
                    "data": [0.001, 0.007, 0.992],
                },
            ],
        },
    },
    "many": {
        "summary": "Both languages at once, 只要标签: the labels only",
        "value": {
            "model_name": "default",
            "model_version": "1.0.0",
            "id": "42",
            "outputs": [
                {
                    "name": "label",
                    "datatype": "BYTES",
                    "shape": [2],
                    "data": ["negative", "positive"],
                },
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
        "value": '{"id":1,"label":"positive","score":0.992,"scores":{"positive":0.992,'
        '"neutral":0.007,"negative":0.001},"tokens":9,"truncated":false}\n'
        '{"label":"negative","score":0.954,"scores":{"negative":0.954,"neutral":0.041,'
        '"positive":0.005},"tokens":10,"truncated":false}\n'
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
        '7,"Great value, will buy again.",positive,0.983,0.006,0.011,0.983,\n'
        "8,味道很差,negative,0.978,0.978,0.021,0.001,\n"
        "9,,,,,,,the text is empty\n",
    },
}
