"""Worked requests and answers in both languages, for the OpenAPI page."""

from __future__ import annotations

from typing import Any

PREDICT_EXAMPLES: dict[str, Any] = {
    "english": {
        "summary": "English: one text",
        "value": {"inputs": "The room was spotless and the staff could not have been kinder."},
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
                    "score": 0.97,
                    "scores": {"positive": 0.97, "neutral": 0.02, "negative": 0.01},
                    "tokens": 13,
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
                    "score": 0.93,
                    "scores": {"negative": 0.93, "neutral": 0.05, "positive": 0.02},
                    "tokens": 11,
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
