from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.model import open_model
from tests.training.samples import options, reviews, write_bert, write_csv, write_project
from training.checkpoint import BEST_FILE, CHECKPOINT_FILE, load
from training.cli import main


@dataclass(frozen=True)
class Done:
    """What a command left."""

    status: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run `python -m training` with these arguments, in this process."""

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["python -m training", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capfd.readouterr()
        return Done(int(stopped.value.code or 0), captured.out, captured.err)

    return run


def assert_one_line_error(done: Done, message: str) -> None:
    assert done.status == 1
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    assert message in done.err


def test_train_goes_from_a_csv_to_a_bundle_that_the_service_opens(project: Path) -> None:
    model = open_model(project / "models" / "tiny")
    assert model.manifest.labels == ("negative", "positive")
    ids = model.tokenizer.encode("the soup was superb")
    assert model.probabilities(model.logits([ids])).sum() == pytest.approx(1)


def test_train_says_what_it_read_and_how_right_it_is(run: Run, tmp_path: Path) -> None:
    run_file = write_project(tmp_path, rows=40)
    with (tmp_path / "train.csv").open("a") as file:
        file.write(",positive\n")
    done = run("train", run_file, *options(tmp_path))
    assert done.status == 0
    assert "reviews: 32 train, 8 dev, 40 test; negative/positive; dropped: 1 without text" in (
        done.out
    )
    assert "| reviews | two-way accuracy | 40 |" in done.out
    assert f"bundle: {tmp_path / 'models' / 'tiny'}" in done.out
    assert "pass 2/2" in done.err


def test_a_run_without_test_rows_says_so_and_gives_dev_figures(run: Run, tmp_path: Path) -> None:
    run_file = write_project(tmp_path, rows=40)
    run_file.write_text(run_file.read_text().replace('test = "test.csv"\n', ""))
    done = run("train", run_file, *options(tmp_path))
    assert done.status == 0
    assert "No data set has test rows: these are figures on the dev rows" in done.out
    assert "| reviews | two-way accuracy | 8 |" in done.out
    bundle = tmp_path / "models" / "tiny"
    card = (bundle / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "| dev set | measure |" in card
    assert "Test sets, read once" not in card
    metrics = json.loads((bundle / "metrics.json").read_text())
    assert metrics["reviews"]["split"] == "dev"
    assert metrics["reviews"]["model"]["two_way"]["rows"] == 8
    evaluated = run("evaluate", bundle, run_file, "--data", tmp_path)
    assert "No data set has test rows" in evaluated.out
    assert "| reviews | two-way accuracy | 8 |" in evaluated.out


def test_train_takes_any_labels_and_three_ways_beside_two(run: Run, tmp_path: Path) -> None:
    three = ("negative", "neutral", "positive")
    run_file = write_project(
        tmp_path,
        rows=40,
        data='[[data]]\nname = "three"\ntrain = "three.csv"\ntest = "three_test.csv"',
    )
    write_csv(tmp_path / "three.csv", reviews(60, 2, three), ("text", "label"))
    write_csv(tmp_path / "three_test.csv", reviews(30, 3, three), ("text", "label"))
    done = run("train", run_file, *options(tmp_path))
    assert done.status == 0
    assert "| three | 3-way macro recall | 30 |" in done.out
    manifest = open_model(tmp_path / "models" / "tiny").manifest
    assert manifest.labels == three
    assert list(manifest.calibration) == ["negative|neutral|positive", "negative|positive"]


def test_pretrain_leaves_a_language_model_that_train_finds(run: Run, tmp_path: Path) -> None:
    run_file = write_project(tmp_path, rows=40, top="[pretraining]\npasses = 1")
    done = run("pretrain", run_file, *options(tmp_path)[:4])
    assert done.status == 0
    assert "pretraining: 31 texts, " in done.out
    assert "forward_perplexity" in done.out
    assert f"language model: {tmp_path / 'run' / 'pretraining'}" in done.out
    kept = (tmp_path / "run" / "pretraining" / BEST_FILE).stat().st_mtime_ns
    trained = run("train", run_file, *options(tmp_path), "--fresh")
    assert trained.status == 0
    assert (tmp_path / "run" / "pretraining" / BEST_FILE).stat().st_mtime_ns == kept
    card = (tmp_path / "models" / "tiny" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "Pretrained as a language model on the train texts below." in card


def test_pretrain_needs_to_be_told_how(run: Run, tmp_path: Path) -> None:
    done = run("pretrain", write_project(tmp_path, rows=40), *options(tmp_path)[:4])
    assert done.status == 1
    assert done.err.endswith("error: the run has no [pretraining] table\n")


def test_finetune_leaves_a_classifier_that_teaches_a_run(run: Run, tmp_path: Path) -> None:
    run_file = write_project(tmp_path, rows=60)
    encoder = write_bert(tmp_path / "encoder", [text for text, _ in reviews(60)])
    teacher = tmp_path / "teacher"
    done = run(
        *("finetune", run_file, "--from", encoder, "--output", teacher, "--data", tmp_path),
        *("--passes", 4, "--batch-size", 8, "--learning-rate", 3e-3),
    )
    assert done.status == 0
    assert "reviews, dev: accuracy " in done.out
    assert f"classifier: {teacher}" in done.out
    assert_one_line_error(
        run("finetune", run_file, "--from", encoder, "--output", teacher, "--data", tmp_path),
        "there is a classifier already",
    )
    taught = run(
        *("train", run_file, *options(tmp_path)),
        *("--set", f"distillation.teachers=[{{hugging_face='{teacher}'}}]"),
    )
    assert taught.status == 0


def test_a_forward_and_a_backward_network_are_taught_into_one(run: Run, tmp_path: Path) -> None:
    run_file = write_project(tmp_path, rows=60)
    for name, backward in (("ahead", "false"), ("back", "true")):
        done = run(
            *("train", run_file, *options(tmp_path, output=name), "--set", f"name='{name}'"),
            *("--set", "model.bidirectional=false", "--set", f"model.backward={backward}"),
        )
        assert done.status == 0
        card = (tmp_path / "models" / name / "MODEL_CARD.md").read_text()
        assert f"{'backward' if name == 'back' else 'forward'} direction" in " ".join(card.split())
    teachers = ", ".join(f"{{bundle='{tmp_path / 'models' / name}'}}" for name in ("ahead", "back"))
    taught = run(
        *("train", run_file, *options(tmp_path), "--set", f"distillation.teachers=[{teachers}]")
    )
    assert taught.status == 0
    learnt = open_model(tmp_path / "models" / "tiny").manifest.run
    assert learnt["model"]["bidirectional"]
    assert len(learnt["distillation"]["teachers"]) == 2


def test_set_changes_a_field_of_the_run(run: Run, tmp_path: Path) -> None:
    run_file = write_project(tmp_path, rows=40)
    done = run(
        *("train", run_file, *options(tmp_path)),
        *("--set", "model.cell='gru'", "--set", "training.passes=1", "--set", "name='other'"),
    )
    assert done.status == 0
    manifest = open_model(tmp_path / "models" / "other").manifest
    assert manifest.run["model"]["cell"] == "gru"
    assert manifest.run["training"]["passes"] == 1


def test_a_finished_run_is_packed_again_without_training(run: Run, tmp_path: Path) -> None:
    run_file = write_project(tmp_path, rows=40)
    assert run("train", run_file, *options(tmp_path)).status == 0
    first = (tmp_path / "models" / "tiny" / "model.onnx").read_bytes()
    again = run("train", run_file, *options(tmp_path), "--replace")
    assert again.status == 0
    assert "pass 1/2" not in again.err
    exported = run("export", run_file, *options(tmp_path, models="exported"))
    assert exported.status == 0
    for models in ("models", "exported"):
        assert (tmp_path / models / "tiny" / "model.onnx").read_bytes() == first


def test_fresh_discards_another_run(run: Run, tmp_path: Path) -> None:
    run_file = write_project(tmp_path, rows=40)
    assert run("train", run_file, *options(tmp_path)).status == 0
    steps = load(tmp_path / "run" / CHECKPOINT_FILE)["progress"]["step"]
    other = [*options(tmp_path), "--replace", "--set", "training.passes=1"]
    assert_one_line_error(run("train", run_file, *other), "pass --fresh to discard it")
    assert run("train", run_file, *other, "--fresh").status == 0
    assert load(tmp_path / "run" / CHECKPOINT_FILE)["progress"]["step"] == steps / 2


def test_tokenizer_makes_the_one_that_train_finds(run: Run, tmp_path: Path) -> None:
    run_file = write_project(tmp_path, rows=40)
    where = ["--data", tmp_path, "--output", tmp_path / "run"]
    done = run("tokenizer", run_file, *where)
    assert done.status == 0
    assert "pieces in" in done.out
    (made,) = (tmp_path / "run").iterdir()
    content = made.read_bytes()
    assert run("train", run_file, *options(tmp_path)).status == 0
    assert (tmp_path / "models" / "tiny" / "tokenizer.model").read_bytes() == content


def test_evaluate_gives_the_figures_of_the_card(run: Run, project: Path) -> None:
    bundle = project / "models" / "tiny"
    done = run("evaluate", bundle, project / "run.toml", "--data", project)
    assert done.status == 0
    (line,) = (line for line in done.out.splitlines() if line.startswith("| reviews |"))
    card = (bundle / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert line.removesuffix(" - |") in card


def test_quantize_writes_a_bundle_beside_the_original(
    run: Run, project: Path, tmp_path: Path
) -> None:
    source = shutil.copytree(project / "models" / "tiny", tmp_path / "tiny")
    arguments = ("quantize", source, project / "run.toml", "--data", project)
    done = run(*arguments)
    assert done.status == 0
    assert "| float32 |" in done.out
    assert open_model(tmp_path / "tiny-int8").manifest.precision == "int8"
    assert_one_line_error(run(*arguments), "tiny-int8 exists")
    assert_one_line_error(run("gates", tmp_path / "tiny-int8", "soup"), "is in int8")


def test_distance_has_a_row_for_each_language_and_length(run: Run, project: Path) -> None:
    done = run("distance", project / "models" / "tiny")
    assert done.status == 0
    rows = [line.split(" | ")[:2] for line in done.out.splitlines()[2:]]
    lengths = ["0", "50", "100", "200", "400"]
    assert rows == [[f"| {language}", length] for language in ("en", "zh") for length in lengths]


def test_evaluate_takes_a_file_and_leaves_a_report(run: Run, project: Path, tmp_path: Path) -> None:
    content = (
        "body,stars,kind\nlovely room,5,hotel\nrude waiter,1,food\nsuperb soup,5,food\n,5,food\n"
    )
    (tmp_path / "mine.csv").write_text(content)
    done = run(
        *("evaluate", project / "models" / "tiny", tmp_path / "mine.csv", "--rows", 2),
        *("--text-column", "body", "--label-column", "stars", "--domain-column", "kind"),
        *("--rename", "5=positive", "--rename", "1=negative", "--against", "vader"),
        *("--output", tmp_path / "report"),
    )
    assert done.status == 0
    assert "| test set | measure | rows | tiny | vader |" in done.out
    assert "| mine | two-way accuracy | 2 |" in done.out
    assert "mine: 0 train, 0 dev, 3 test; negative/positive; dropped: 1 without text" in done.err
    assert (tmp_path / "report" / "report.md").exists()


def test_a_peer_that_answers_nothing_is_named(run: Run, project: Path, tmp_path: Path) -> None:
    texts = tmp_path / "mine.csv"
    texts.write_text("text,label\nlovely room,positive\nrude waiter,negative\n")
    evaluate = ("evaluate", project / "models" / "tiny", texts, "--against", "snownlp,vader")
    done = run(*evaluate, "--language", "en")
    assert done.status == 0
    assert "snownlp: answers none of these sets" in done.err
    assert "vader: answers none" not in done.err


def test_probe_scores_a_bundle_on_the_pairs(run: Run, project: Path, tmp_path: Path) -> None:
    bundle = project / "models" / "tiny"
    done = run("probe", bundle)
    assert done.status == 0
    assert "| zh | double negation | 24 | " in done.out
    own = tmp_path / "own.csv"
    own.write_text("language,phenomenon,positive,negative\nen,words,great soup,awful soup\n")
    done = run("probe", bundle, "--pairs", own)
    assert "| en | words | 1 | " in done.out


def test_the_data_folder_can_be_a_variable(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTIMENT_DATA", str(project))
    assert run("evaluate", project / "models" / "tiny", project / "run.toml").status == 0


# Errors: one line, and nothing half done


def test_a_bundle_in_the_way_is_found_before_training(run: Run, tmp_path: Path) -> None:
    run_file = write_project(tmp_path)
    (tmp_path / "models" / "tiny").mkdir(parents=True)
    assert_one_line_error(run("train", run_file, *options(tmp_path)), "exists; pass --replace")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("model.proj_size=8",), "model: Value error, proj_size must be smaller than hidden_size"),
        (("model.cell=gru",), "--set model.cell: 'gru' is not a TOML value"),
        (("model.cell='cnn'",), "model.cell"),
        (("nonsense",), "--set nonsense: say FIELD=VALUE, or FIELD= to leave it out"),
        (("labels=['negative', 'neutral', 'positive']",), "no train row has the label 'neutral'"),
    ],
)
def test_a_mistake_in_the_run_is_one_line(
    run: Run, tmp_path: Path, settings: tuple[str, ...], message: str
) -> None:
    changes = [argument for setting in settings for argument in ("--set", setting)]
    done = run("train", write_project(tmp_path), *options(tmp_path), *changes)
    assert_one_line_error(done, message)
    assert not (tmp_path / "models").exists()


def test_a_golden_text_with_nothing_to_read_is_found_before_training(
    run: Run, tmp_path: Path
) -> None:
    run_file = write_project(tmp_path)
    done = run("train", run_file, *options(tmp_path), "--set", r'golden=["fine", "\u200b"]')
    assert done.status == 1
    assert done.err.endswith("error: golden: the tokenizer finds nothing to read in '\\u200b'\n")
    assert not (tmp_path / "run" / CHECKPOINT_FILE).exists()


def test_a_mistake_in_the_data_is_one_line_naming_file_and_row(run: Run, tmp_path: Path) -> None:
    run_file = write_project(tmp_path, top='labels = ["negative", "positive"]')
    with (tmp_path / "train.csv").open("a") as file:
        file.write("hm,mixed\n")
    done = run("train", run_file, *options(tmp_path))
    assert_one_line_error(done, f"{tmp_path / 'train.csv'}: row 151: unknown label 'mixed'")


def test_no_dev_rows_are_refused(run: Run, tmp_path: Path) -> None:
    run_file = write_project(tmp_path, rows=40)
    run_file.write_text(run_file.read_text().replace("dev_share = 0.2", "dev_share = 0.0"))
    done = run("train", run_file, *options(tmp_path))
    assert done.status == 1
    assert "error: no dev rows: name a dev split or set dev_share above 0\n" in done.err


def test_a_run_without_weights_cannot_be_exported(run: Run, tmp_path: Path) -> None:
    done = run("export", write_project(tmp_path), *options(tmp_path))
    assert_one_line_error(done, "none yet")


def test_weights_of_another_network_are_not_exported(
    run: Run, project: Path, tmp_path: Path
) -> None:
    done = run(
        *("export", project / "run.toml", "--data", project, "--output", project / "run"),
        *("--models", tmp_path, "--set", "model.hidden_size=9"),
    )
    assert done.status == 1
    assert "is of a run with other settings" in done.err


def test_weights_are_not_exported_under_other_labels(
    run: Run, project: Path, tmp_path: Path
) -> None:
    """The weights would fit, and every answer would be wrong."""
    done = run(
        *("export", project / "run.toml", "--data", project, "--output", project / "run"),
        *("--models", tmp_path, "--set", "labels=['positive', 'negative']"),
    )
    assert done.status == 1
    assert "is of a run with other settings or data" in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_variant_that_is_none_is_one_line(run: Run, tmp_path: Path) -> None:
    done = run("compare", write_project(tmp_path), "--data", tmp_path, "--only", "cnn")
    assert_one_line_error(done, "--only: 'cnn' fits none of rnn, gru, lstm")


def test_a_missing_bundle_is_one_line(run: Run, project: Path, tmp_path: Path) -> None:
    done = run("evaluate", tmp_path / "none", project / "run.toml", "--data", project)
    assert_one_line_error(done, "no such bundle folder")


def test_a_bundle_with_other_labels_is_one_line(run: Run, project: Path, tmp_path: Path) -> None:
    run_file = write_project(tmp_path, data='rename_labels = {positive = "yes", negative = "no"}')
    done = run("evaluate", project / "models" / "tiny", run_file, "--data", tmp_path)
    assert_one_line_error(done, "reviews: the bundle's labels ['negative', 'positive'] lack 'no'")


def test_gates_draws_a_text_and_says_the_services_answer(
    run: Run, project: Path, tmp_path: Path
) -> None:
    picture, table = tmp_path / "gates.png", tmp_path / "gates.csv"
    bundle, text = project / "models" / "tiny", "the soup was superb"
    done = run("gates", bundle, text, "--output", picture, "--table", table)
    assert done.status == 0
    assert done.err == ""
    model = open_model(bundle)
    row = model.probabilities(model.logits([model.tokenizer.encode(text)]))[0]
    label = model.manifest.labels[int(row.argmax())]
    answer, same, *paths = done.out.splitlines()
    assert answer.startswith(f"{label} (negative {row[0]:.4f}, ")
    assert same == "the same as the service: no probability differs by more than 1e-05"
    assert paths == [str(picture), str(table)]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert table.read_text().startswith("direction,step,piece,unit,contribution,input,forget,")


def test_gates_refuses_what_cannot_be_read_or_written(
    run: Run, project: Path, tmp_path: Path
) -> None:
    bundle = project / "models" / "tiny"
    assert_one_line_error(run("gates", bundle, " "), "the text is blank")
    assert_one_line_error(run("gates", tmp_path / "none", "soup"), "no such bundle folder")
    nowhere = tmp_path / "none" / "gates.png"
    assert_one_line_error(
        run("gates", bundle, "soup", "--output", nowhere), f"{nowhere}: cannot be written"
    )
