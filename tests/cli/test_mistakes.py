"""Habits from other tools: each works as meant, or gets one line with the remedy."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest
from run_command import noisy, run

from noisify.cli.command import noisify as command
from noisify.core import other_words
from noisify.core.errors import did_you_mean
from noisify.formats import FORMATS, interface
from noisify.noise import registry

if TYPE_CHECKING:
    from pathlib import Path

TABLE = "id,income,lat,when,segment\n" + "".join(
    f"{i},{1000 + i}.5,{50 + i / 100},2024-01-0{i % 9 + 1},{('gold', 'red')[i % 2]}\n"
    for i in range(20)
)
FIELDS = "(the file has id, income, lat, when, segment)"
FORMAT_NAMES = f"(there are {', '.join(entry.name for entry in FORMATS)})"
FOR_EACH = "different noise for different fields is "
FOR_EACH += "--noise income=normal:5% --noise lat=normal:0.001"
NO_TIME = "when (holds time, and level {} is not a time such as 90s)"
A_TIME = "and level 2d is a time"
ALL_BUT_TIMES = f"id (holds int64, {A_TIME}); income, lat (holds float64, {A_TIME}); "
ALL_BUT_TIMES += "segment (holds text)"
NO_SIGN = "expected a name, a number, a text or a sign, but found"
THE_END = "expected the end, and or or, but found"
UNREACHED = "so --snr cannot be reached; give its scale with -s"

# What follows `noisify data.csv`, and the one line, without `noisify: `.
MISTAKES = {
    # an option of one value, twice
    "-s 0.1 -s 0.2": f"-s/--scale is given twice; {FOR_EACH}",
    "-s 0.1 --scale 0.1": f"-s/--scale is given twice; {FOR_EACH}",
    "-d normal --model uniform": f"-d/--dist/--model is given twice; {FOR_EACH}",
    "--clip 0,1 --clip 2,3": f"--clip is given twice; {FOR_EACH}",
    "--where a>1 --where b>1": "--where is given twice; join the conditions, --where "
    "'(A) and (B)', or give each --noise its own where=",
    "-o a.csv -o b.csv": "-o/--output is given twice; several outputs are --sweep or --replicates "
    "with --output-dir DIR",
    "--seed 1 --seed 2": "--seed is given twice; copies with noise of their own are "
    "--replicates N --output-dir DIR",
    "-j 1 --jobs 2": "-j/--jobs is given twice; keep one",
    # options that contradict each other, or say nothing
    "-s 1 -o x.csv --to parquet": "data.csv: x.csv would be CSV by its name and Parquet by "
    "--to parquet; leave --to out, or name it x.parquet",
    "-s 3 --sweep scale=1,2 --output-dir o": "scale is given twice, by --sweep and "
    "--scale; keep one",
    "--snr 9 --sweep sd=1,2 --output-dir o": "sd is given twice, by --sweep and --snr; keep one",
    "-d normal --sweep model=normal,laplace --output-dir o": "model is given twice, by --sweep and "
    "--dist; keep one",
    "-d student-t -p df=4 --sweep df=3,5 --output-dir o": "df is given twice, by --sweep and -p; "
    "keep one",
    "-s 1 -q -v": "--quiet and --verbose contradict each other; keep one",
    "-s 1 --in-place --to parquet": "data.csv: data.csv would be CSV by its name and Parquet by "
    "--to parquet; leave --to out, or name it data.parquet",
    "-s 1 --name x": "--name is for the files of --output-dir DIR; add it, or name FILE with -o",
    "-s 1 -o x.csv --compress-level 3": "data.csv: --compress-level is for compressed outputs, "
    "and x.csv is not; give -o a name that ends in .gz, .bz2, .xz, .zst, .lz4",
    "-s 1 -o x.csv --mask m --report ./m": "--report ./m is the mask too; give another name",
    "-s 1 -o x.csv --mask ./x.csv": "--mask ./x.csv is an output too; give another name",
    "-s 1 -o x.csv --report data.csv": "--report data.csv is an input too; give another name",
    "-s 1 -o x.pkl": "data.csv: noisify writes no .pkl files such as x.pkl; name it x.csv",
    "-s 1 -o x.db": "data.csv: noisify writes no .db files such as x.db; name it x.csv",
    "-s 1 -o x.csv.zip": "data.csv: noisify writes no .zip files such as x.csv.zip; name it x.csv",
    # options of other tools
    "--sigma 0.5": "no option is called --sigma; type --sd 0.5",
    "--std=0.5": "no option is called --std; type --sd 0.5",
    "--mean -3": "no option is called --mean; type --loc -3",
    "--force": "no option is called --force; leave it out: an existing output is replaced unless "
    "--no-clobber",
    "--low -1 --high 1": "no option is called --low; uniform noise from LOW to HIGH is -d uniform "
    "--loc (LOW+HIGH)/2 -s (HIGH-LOW)/2; bounds of the result are --clip LOW,HIGH",
    "-i": "no option is called -i; type --in-place",
    "--list": "no option is called --list; type --list-models, or --list-presets",
    "--epsilon 1": "no option is called --epsilon; type -d laplace-mechanism -p epsilon=1 "
    "-p sensitivity=S",
    "--random-state 3": "no option is called --random-state; type --seed 3",
    "--n-jobs 4": "no option is called --n-jobs; type --jobs 4",
    "--sep ';'": "no option is called --sep; type --delimiter ';'",
    "--amount 0.05": "no option is called --amount; type --rate 0.05",
    "--min-snr-db 5": "no option is called --min-snr-db; type --snr for one, or "
    "--sweep snr=5,10,20 with --output-dir DIR",
    "--gaussian": "no option is called --gaussian; type -d normal",
    "--exponent 1": "no option is called --exponent; type -d colored -p exponent=1",
    "--in_place": "no option is called --in_place; did you mean --in-place?",
    "--foo": "no option is called --foo; see noisify --help",
    "-output x.csv": "-output has one dash; type --output",
    "-std 0.5": "-std has one dash; type --std",
    "-o -c income": "-o/--output needs a value, and -c follows; type -o FILE",
    "–seed 1": "no file is called '–seed'; – is a longer dash; type --seed",  # noqa: RUF001
    "--jobs -1": "-j/--jobs -1: leave --jobs out for one worker for each processor",
    "--seed random": "--seed random: leave --seed out for a new one each time, which is printed",
    # models
    "-d white": "no model is called 'white'; type normal",
    "-d 's&p'": "no model is called 's&p'; type salt-and-pepper",
    "-d np.random.normal": "no model is called 'np.random.normal'; type normal",
    "-d 'normal(0, 1)'": "no model is called 'normal(0, 1)'; type normal, and its parameters with "
    "-s, --loc or -p KEY=VALUE",
    "-d normal:0.1": "no model is called 'normal:0.1'; type -d normal -s 0.1, or "
    "--noise normal:0.1",
    "-d missing:5%": "no model is called 'missing:5%'; type -d missing --rate 5%, or "
    "--noise missing:5%",
    "-d normal,uniform": "no model is called 'normal,uniform'; type --noise normal:LEVEL, once "
    "for each model",
    "-d 0.1": "no model is called '0.1'; for a level type -s 0.1",
    "-d rayleigh": "no model is called 'rayleigh'; see noisify --list-models",
    "-d gausian": "no model is called 'gausian'; did you mean 'gaussian'?",
    # levels
    "-s 20dB": "--scale '20dB' is not a level; type --snr 20",
    "-s 0,5": "--scale '0,5' is not a level; type 0.5",
    "-s 5m": "--scale '5m' is not a level; type 5min",
    "-s 0.1,0.2,0.5": "--scale '0.1,0.2,0.5' is not a level; type --sweep scale=0.1,0.2,0.5 "
    "--output-dir DIR",
    "-s 0.1 sd": "no file is called 'sd'; a level is one word: -s 0.1sd",
    "--snr 20 dB": "no file is called 'dB'; a level is one word: --snr 20dB",
    "-d missing --rate 5": "rate '5' is not a share from 0 to 1; type 5% or 0.05",
    "--noise income=spike:3": "--noise 'income=spike:3': rate '3' is not a share from 0 to 1; type "
    "3% or 0.03 (spike:LEVEL is its rate; its size is scale: spike:1%,scale=3)",
    "--noise segment=truncate:3": "--noise 'segment=truncate:3': rate '3' is not a share from 0 to "
    "1; type 3% or 0.03 (truncate:LEVEL is its rate)",
    "-d random-walk --snr 20": "data.csv: random-walk has no sd for the whole field: it grows from "
    f"element to element, {UNREACHED}",
    "-d multiplicative --snr 20": "data.csv: multiplicative has no sd of its own: how much it adds "
    f"depends on the data, {UNREACHED}",
    "-d bias --snr 20": "data.csv: bias has no sd in a field: it is one offset for all of it, "
    f"{UNREACHED}",
    "-d cauchy --snr 20": f"data.csv: cauchy has no variance, {UNREACHED}",
    "-d laplace-mechanism -p epsilon=1": "laplace-mechanism needs sensitivity (how much one person "
    "can change the values); add -p sensitivity=VALUE",
    "-d missing --rate 150%": "rate '150%' is not a share from 0 to 1, or from 0% to 100%",
    "-p loc=1 -p loc=2": "loc is given twice by -p; keep one",
    # --noise
    "--noise income=5%": "--noise 'income=5%': no model is named; type --noise 'income=normal:5%'",
    "--noise 5%": "--noise '5%': no model is named; type --noise 'normal:5%'",
    "--noise income:normal:5%": "--noise 'income:normal:5%': type --noise 'income=normal:5%'",
    "--noise income=normal=5%": "--noise 'income=normal=5%': type --noise 'income=normal:5%'",
    "--noise 'income=normal(0.5)'": "--noise 'income=normal(0.5)': type "
    "--noise 'income=normal:0.5'",
    "--noise income,normal,5%": "--noise 'income,normal,5%': type --noise 'income=normal:5%'",
    "income=normal:5%": "no file is called 'income=normal:5%'; type --noise 'income=normal:5%'",
    # fields
    "-s 1 -c 3": "data.csv: no field matches '3'; fields are chosen by name, and number 3 is 'lat' "
    f"{FIELDS}",
    "-s 1 -c -income": "data.csv: no field matches '-income'; to leave it out type '!income' "
    f"{FIELDS}",
    "-s 1 -c income lat": "no file is called 'lat'; several fields have commas between them: "
    "-c income,lat",
    "-s 1 -c 'income lat'": f"data.csv: no field matches 'income lat'; type income,lat {FIELDS}",
    "-s 1 -c 'income;lat'": f"data.csv: no field matches 'income;lat'; type income,lat {FIELDS}",
    "-s 1 -c all": f"data.csv: no field matches 'all'; type '*' {FIELDS}",
    "-s 1 -c numeric": f"data.csv: no field matches 'numeric'; type :number {FIELDS}",
    "-s 1 -c :numeric": "data.csv: no kind of field is called ':numeric'; type :number (there are "
    ":float :int :number :text :time)",
    "-s 1 -c 'in.*'": "data.csv: no field matches 'in.*'; put a regular expression between "
    f"slashes: /in.*/ {FIELDS}",
    "-s 1 -c 'lat%'": f"data.csv: no field matches 'lat%'; type 'lat*' {FIELDS}",
    "-s 1 -c zzz": f"data.csv: no field matches 'zzz' {FIELDS}",
    "-s 2d -c segment": "data.csv, field 'segment': level 172800s is for times, read as ISO 8601 "
    "such as 2024-03-01T06:00:00Z, and it holds text",
    # conditions
    "-s 1 --where segment==gold": "data.csv: --where names no field 'gold'; put a text in "
    "quotes: --where 'segment==\"gold\"'",
    "-s 1 --where 'nope > 1'": "data.csv: --where names no field 'nope'",
    "-s 1 --where 'segment in (gold, red)'": "data.csv: --where names no field 'gold'; put a text "
    "in quotes: --where 'segment in (\"gold\", red)'",
    "-s 1 --where 'when > 2024-01-01'": "data.csv: --where 'when > 2024-01-01': 'when' is a time, "
    'and what is worked out is a number; put a time in quotes: "2024-03-01"',
    "-s 1 --where 'income == nan'": "data.csv: --where names no field 'nan'; type x is null, or "
    "x is not null",
    "-s 1 --where 'lat > 1 & id'": f"--where 'lat > 1 & id': {NO_SIGN} '& id'; type and",
    "-s 1 --where 'a > 1 || b < 2'": f"--where 'a > 1 || b < 2': {NO_SIGN} '|| b < 2'; type or",
    "-s 1 --where '!(a > 1)'": f"--where '!(a > 1)': {NO_SIGN} '!(a > 1)'; type not",
    "-s 1 --where 'a => 3'": f"--where 'a => 3': {NO_SIGN} '=> 3'; type >=",
    "-s 1 --where 'a is nan'": "--where 'a is nan': expected null, but found 'nan'; type is null",
    "-s 1 --where '1 < a < 3'": f"--where '1 < a < 3': {THE_END} '< 3'; type 1 < x and x < 5",
    "-s 1 --where 'a between 1 and 3'": f"--where 'a between 1 and 3': {THE_END} "
    "'between 1 and 3'; type x >= 1 and x <= 5",
    "-s 1 --where 'isnull(a)'": f"--where 'isnull(a)': {THE_END} '(a)'; there are no functions; "
    "x is null, and + - * / are there",
    "-s 1 --where income '>' 5": "no file is called '>'; put it in quotes: --where 'income > 5'",
    # words that are no files
    "help": "no file is called 'help'; type noisify --help",
    "run": "no file is called 'run'; there are no subcommands; type noisify FILE -s 5%",
    "0.1": "no file is called '0.1'; type -s 0.1",
    "normal": "no file is called 'normal'; type -d normal",
    "scale=0.1": "no file is called 'scale=0.1'; type --scale 0.1",
    "out.csv -s 1": "no file is called 'out.csv'; an output is named with -o: "
    "noisify data.csv -o out.csv",
    "-n 5": "no file is called '5'; -n is --dry-run; copies are --replicates 5 --output-dir DIR",
    "'*.txt' -s 1": "no file is called '*.txt'; no file matches it",
    # formats
    "-s 1 --to h5": f"no format is called 'h5'; type hdf5 {FORMAT_NAMES}",
    "-s 1 --to excel": "no format is called 'excel'; a spreadsheet, or another Office file is "
    f"neither read nor written {FORMAT_NAMES}",
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text(TABLE)
    return tmp_path


@pytest.mark.parametrize("typed", MISTAKES)
def test_a_mistake_gets_a_line_with_the_remedy(here: Path, typed: str) -> None:
    done = run("data.csv", *shlex.split(typed))

    assert (2, b"", [f"noisify: {MISTAKES[typed]}"]) == (done.status, done.output, done.lines)
    assert [here / "data.csv"] == list(here.iterdir())
    assert TABLE == (here / "data.csv").read_text()


@pytest.mark.parametrize(
    ("typed", "plainly"),
    [
        ("-s '0.1 sd'", "-s 0.1sd"),
        ("-s 0.1std", "-s 0.1sd"),
        ("-s 0.1stddev", "-s 0.1sd"),
        ("-s '0.1 * sd'", "-s 0.1sd"),
        ("-s 10pct", "-s 10%"),
        ("-s '10 %'", "-s 10%"),
        ("-s '10 percent'", "-s 10%"),
        ("-s '1 % range'", "-s 1%range"),
        ("-s=0.1", "-s 0.1"),
        ("-s=5%", "-s 5%"),
        ("-qs=0.1", "-s 0.1"),
        ("-c=income -s 1", "-c income -s 1"),
        ("-c when -s '36 hours'", "-c when -s 36h"),
        ("-c when -s 2days", "-c when -s 2d"),
        ("--model uniform -s 1", "-d uniform -s 1"),
        ("--model=uniform -s 1", "-d uniform -s 1"),
        ("-d salt-and-pepper --rate 50pct", "-d salt-and-pepper --rate 50%"),
    ],
)
@pytest.mark.usefixtures("here")
def test_clear_intentions_are_followed(typed: str, plainly: str) -> None:
    meant = noisy("data.csv", *shlex.split(typed))

    assert meant == noisy("data.csv", *shlex.split(plainly))
    assert meant != TABLE.encode()


def test_a_word_that_is_a_file_is_a_file(here: Path) -> None:
    (here / "help").write_text(TABLE)

    assert noisy("help", "-s", 1) == noisy("data.csv", "-s", 1)


@pytest.mark.usefixtures("here")
def test_after_two_dashes_everything_is_a_file() -> None:
    done = run("-s", 1, "--", "-output")

    assert (1, ["noisify: -output: cannot be read: No such file or directory"]) == (
        done.status,
        done.lines,
    )


def test_an_output_may_start_with_an_equals_sign_if_it_is_a_word_of_its_own(here: Path) -> None:
    run("data.csv", "-s", 1, "-q", "-o", "=x.csv")

    assert (here / "=x.csv").exists()


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ("-c '*' -s 1", f"{NO_TIME.format(1)}; segment (holds text)"),
        ("-c income,:time -s 1", NO_TIME.format(1)),
        ("-c income,when*,lat -s 5%", NO_TIME.format("5%")),
        ("--noise '*=normal:5%'", f"{NO_TIME.format('5%')}; segment (holds text)"),
        ("-c 'when,seg*' -s 2d", "segment (holds text)"),
        ("-c '*' -s 2d", ALL_BUT_TIMES),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("here")
def test_fields_of_a_pattern_that_the_level_does_not_fit_get_a_note(
    options: str, left: str
) -> None:
    done = run("data.csv", "--seed", 1, *shlex.split(options))

    left = left.replace("2d", "172800s")
    assert (0, f"noisify: note: chosen and left alone: {left}") == (done.status, done.lines[0])
    assert done.output != TABLE.encode()


@pytest.mark.usefixtures("here")
def test_times_chosen_by_name_need_a_time() -> None:
    done = run("data.csv", "-c", "income,when", "-s", 1)

    assert (2, 1) == (done.status, len(done.lines))
    assert "level 1 does not fit time: times take 90s, 2h or 3d" in done.messages


def test_another_format_gives_the_outputs_of_a_folder_its_suffix(here: Path) -> None:
    done = run("data.csv", "--output-dir", "out", "--to", "parquet", "-s", 1, "-q")

    assert (0, ["data.parquet"]) == (done.status, [path.name for path in (here / "out").iterdir()])


@pytest.mark.parametrize(
    "option", ["--delimiter ;", "--no-header", "--na x", "--encoding cp1252", "--decimal ,",
               "--thousands ,", "--skip-lines 1", "--comment #", "--ragged keep", "--escape \\"],
)  # fmt: skip
def test_text_options_are_refused_for_binary_formats(here: Path, option: str) -> None:
    run("data.csv", "-s", 0, "-o", here / "data.parquet", "-q")

    done = run("data.parquet", "-s", 1, "-o", "out.parquet", *option.split())

    assert (2, 1) == (done.status, len(done.lines))
    name = option.split(maxsplit=1)[0]
    says = f"{name} says how CSV and TSV are read, and this is Parquet; leave it out"
    assert says in done.messages


class TestTables:
    """Options of other programs are not options here; the error names the equivalent."""

    options = frozenset(name for param in command.params for name in param.opts)
    models = frozenset(name for entry in registry.MODELS for name in (entry.name, *entry.aliases))

    def test_options(self) -> None:
        long = {f"--{word}" for word in other_words.OPTIONS if len(word) > 1}
        assert set() == long & self.options
        named = {
            name
            for answer in other_words.OPTIONS.values()
            for name in re.findall(r"(?<![\w-])--?[a-z][\w-]*", answer)
        }
        assert set() == named - self.options

    def test_models(self) -> None:
        assert set() == set(other_words.MODELS) & self.models
        assert set() == set(other_words.MODELS.values()) - self.models
        for word in other_words.MODELS:
            assert registry.meant(word) is not None, word

    def test_formats(self) -> None:
        names = {entry.name for entry in FORMATS}
        assert set() == set(other_words.FORMATS) & names
        assert set() == set(other_words.FORMATS.values()) - names
        suffixes = {suffix[1:] for entry in FORMATS for suffix in entry.suffixes} - names
        assert set() == suffixes - set(other_words.FORMATS)

    def test_subcommands_and_values_name_options_that_there_are(self) -> None:
        answers = [
            *other_words.SUBCOMMANDS.values(),
            *other_words.REPEATED.values(),
            *other_words.VALUES.values(),
            *other_words.LEVELS.values(),
        ]
        named = {name for a in answers for name in re.findall(r"(?<![\w-])--[a-z][\w-]*", a)}
        assert set() == named - self.options - {"--help"}

    def test_values_and_repeats_are_of_parameters_that_there_are(self) -> None:
        parameters = {param.name for param in command.params}
        assert set() == {name for name, _ in other_words.VALUES} - parameters
        assert set() == set(other_words.REPEATED) - parameters

    def test_messages_list_every_format_with_a_table(self) -> None:
        *most, last = (entry.title for entry in FORMATS if entry.shape == "table")
        assert f"{', '.join(most)} and {last}" == interface.TABLES


@pytest.mark.parametrize(
    ("word", "known"),
    [("sigma", ["seed", "decimal"]), ("white", ["whitespace"]), ("mean", ["name"]),
     ("epsilon", ["version"]), ("force", ["loc", "from"]), ("list", ["dist"])],
)  # fmt: skip
def test_a_weak_match_gets_no_guess(word: str, known: list[str]) -> None:
    assert not did_you_mean(word, known)
