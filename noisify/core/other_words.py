"""Words of other programs, and what to type here instead.

One table for each place a word can appear: options, models, levels, fields, conditions, formats,
and positional words. They are looked up only on the way to an error.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def _by_word(answers: dict[str, str]) -> dict[str, str]:
    """Turn a table of words by answer into one of answers by word."""
    return {word: answer for answer, words in answers.items() for word in words.split()}


OPTIONS = _by_word({
    # answer ({} is the value that was typed): the words, without their dashes
    "type --sd {}": "sigma std stdev stddev std-dev standard-deviation noise-std noise-sd "
    "noise-sigma sdev noise-stddev",
    "type --loc {}": "mean mu noise-mean location",
    "type --sd with its square root, the standard deviation": "var variance noise-var",
    "type -s {}": "level noise-level amount-of-noise strength intensity amplitude magnitude amp "
    "noise-scale noise-strength noise-amount factor eps epsilon-scale half-width volume width",
    "type --rate {}": "amount prob probability p percent percentage frac fraction proportion share "
    "ratio flip-rate error-rate missing-rate noise-rate corruption-rate per-channel r",
    "type --snr {}": "snr-db db decibel decibels target-snr target-snr-db snr-in-db noise-db",
    "type --snr for one, or --sweep snr=5,10,20 with --output-dir DIR": "min-snr max-snr "
    "min-snr-db max-snr-db min-snr-in-db max-snr-in-db snr-range",
    "type -s for one, or --sweep scale=0.001,0.01 with --output-dir DIR": "min-amplitude "
    "max-amplitude min-scale max-scale",
    "uniform noise from LOW to HIGH is -d uniform --loc (LOW+HIGH)/2 -s (HIGH-LOW)/2; bounds of "
    "the result are --clip LOW,HIGH": "low high minimum maximum a b lower upper",
    "type --clip LO,HI": "min max clip-min clip-max clamp bounds limits lo hi bound "
    "clip-range value-range vmin vmax lower-bound upper-bound min-value max-value",
    "type -d {}": "distribution type kind method noise-type noise-model mode noise-kind "
    "distr dist-name noise-distribution law m synth",
    "type -d laplace-mechanism -p epsilon={} -p sensitivity=S": "epsilon dp-epsilon "
    "privacy-budget budget",
    "type -d gaussian-mechanism -p delta={} -p epsilon=E -p sensitivity=S": "delta",
    "type --df {}": "degrees-of-freedom dof nu",
    "type --seed {}": "random-state random-seed rng-seed randomstate set-seed rand-seed random "
    "rseed",
    "leave it out: without --seed every run has a new one": "no-seed",
    "leave it out: an existing output is replaced unless --no-clobber": "force overwrite f yes y "
    "clobber replace exist-ok",
    "type --no-clobber": "no-overwrite keep-existing noclobber no-replace no-force",
    "type --in-place": "i inplace in-situ edit inline",
    "name the file without an option: noisify {}": "input in infile input-file file files source "
    "src path data filename input-path input-files",
    "type -o {}": "out outfile output-file out-file dest destination target save save-as "
    "output-path to-file outfile-name write",
    "type --output-dir {}": "outdir out-dir outputdir output-folder folder dir directory "
    "target-directory dest-dir output-directory save-dir",
    "type --name {}": "template output-name out-name output-template name-template",
    "type --to FORMAT for the output or --from FORMAT for the input": "format fmt file-format "
    "filetype file-type",
    "type --to {}": "output-format out-format outformat t convert-to output-type",
    "type --from {}": "input-format in-format input-type read-as",
    "type --list-models, or --list-presets": "list l ls list-all show list-noise",
    "type --list-models": "models list-noises list-distributions distributions noises list-dist",
    "type --list-presets": "presets",
    "type --explain {}": "info describe doc docs man help-model about",
    "type --explain MODEL": "parameters params",
    "type -c {}": "column cols col fields field features feature variables variable vars usecols "
    "columns-to-noise select key-vars keyvars dataset datasets keys include only target-columns "
    "k",
    "type --key {}": "id id-column id-col record-id record-key key-column primary-key by-key",
    "type --exclude {}": "ignore except drop exclude-columns omit not",
    "type --where {}": "filter query condition rows if when subset mask-where",
    "type -d normal --sd {}": "gauss gaussian-noise awgn white-noise add-noise",
    "type --decimals {}": "precision round digits float-format ndigits decimal-places "
    "significant-digits rounding-digits",
    "type --delimiter {}": "sep separator delim field-separator fs csv-delimiter F",
    "type --no-header": "no-headers noheader headerless no-header-row header-none",
    "leave it out: the first row is the header unless --no-header": "header headers has-header "
    "header-row",
    "type --skip-lines {}": "skiprows skip-rows skip-header header-lines skip",
    "type --na {}": "na-values na-value null nulls nan missing-value null-value na-string "
    "na-strings missing-values",
    "type --encoding {}": "charset codec file-encoding enc",
    "type --replicates {}": "copies repeat repeats n-copies num-copies times n-samples samples "
    "num num-outputs count replicas n-replicates runs realizations realisations n augmentations "
    "num-augmentations N",
    "type --jobs {}": "threads workers n-jobs nproc cores processes num-workers num-threads "
    "parallel n-threads cpus nthreads",
    "type --chunk-size {}": "chunksize block-size chunk batch-size buffer-size buffer memory",
    "type --preview": "show-preview head show sample-rows",
    "type --dry-run": "dryrun test simulate just-print no-act",
    "type --quiet": "silent no-output no-messages Q",
    "type --verbose": "debug loud log-level",
    "type --version, or -v for --verbose": "V",
    "type --recipe {}": "config conf configuration spec specs settings pipeline recipe-file",
    "type --preset NAME:{}; see --list-presets": "severity",
    "type --preset {}": "profile corruption",
    "type --report {}": "log stats summary json metrics statistics output-json report-file",
    "type --restore MASK; the mask comes from --mask FILE --mask-values": "undo revert denoise "
    "remove-noise unnoise",
    "type --sweep scale=0.01,0.1 --output-dir DIR": "grid levels scales sigmas severities",
    "name the output so that it ends in .gz, .zst, .xz, .bz2 or .lz4": "compress compression gzip "
    "gz zip zstd z",
    "type --compress-level {}": "level-of-compression compression-level complevel "
    "compression-opts gzip-level clevel",
    "leave it out: the noise has the shape of the file": "size shape loc-shape length",
    "type -p axis={}, with a model that works along an axis": "axis",
    "leave it out: numbers are rounded only by --decimals, and types stay as they are": "dtype",
    "leave it out: noise never touches an index, nor writes one": "index no-index index-col",
    "type --noise 'x=normal:5%' for each column in turn": "per-column by-column",
    "levels such as 0.1sd are of each field by itself; leave it out": "normalize normalise "
    "standardize relative scale-by-std",
    "type --strict": "fail errors raise-errors strict-mode",
    "type --ragged keep": "ignore-errors on-bad-lines error-bad-lines flexible",
    "type --rng {}": "generator bit-generator prng",
})  # fmt: skip
"""What to type instead of an unknown option, keyed without dashes."""

MODELS = _by_word({
    # model: what it is called elsewhere (NumPy, SciPy, scikit-image, SoX, imgaug, sdcMicro, …)
    "normal": "white whitenoise white-noise awgn gauss norm randn n additive additive-gaussian "
    "additivegaussiannoise additive-gaussian-noise gaussiannoise gaussian-noise addgaussiannoise "
    "add-gaussian-noise standard-normal noise random normalvariate normal-noise rnorm "
    "whitegaussian white-gaussian add-noise addnoise addgaussiansnr localvar additive-noise",
    "uniform": "rand random-sample uniform-noise runif unif random-uniform flat rectangular",
    "laplace": "laplacian double-exponential dexp additivelaplacenoise laplace-noise doublexp",
    "cauchy": "lorentz lorentzian cauchy-noise standard-cauchy rcauchy",
    "student-t": "student studentt students-t t-student standard-t t-distribution rt",
    "exponential": "exp expon rexp standard-exponential expovariate exponential-noise",
    "gamma": "erlang gammavariate rgamma standard-gamma chisquare chi2 chi-square chi-squared",
    "lognormal": "lognorm log-norm lognormvariate rlnorm",
    "gumbel": "gumbel-r extreme-value",
    "logistic": "sech rlogis",
    "triangular": "triang tpdf tpdfnoise triangle dither",
    "truncated-normal": "truncnorm trunc-normal truncated-gaussian bounded-normal clipped-normal",
    "multiplicative": "speckle-noise multiply multiplynoise mult multiplicative-noise "
    "multiplicative-gaussian multiplyelementwise",
    "rounding": "round quantization quantisation quantise discretize discretise bin binning "
    "bit-crush bitcrush",
    "bias": "shift add constant systematic translate translation",
    "poisson": "poisson-noise photon photon-noise additivepoissonnoise shot-noise rpois counting",
    "binomial": "thin subsample-counts downsample-counts rbinom",
    "salt-and-pepper": "s&p s-p sp snp salt-pepper saltandpepper saltpepper salt&pepper "
    "salt-&-pepper salt pepper saltandpeppernoise salt-n-pepper coarsesaltandpepper black-white",
    "impulse": "impulse-noise impulsenoise random-impulse random-valued-impulse",
    "outlier": "outliers anomaly anomalies contamination contaminate",
    "spike": "spikes burst bursts pop pops click clicks glitch",
    "stuck": "freeze frozen flatline flat-line hold sample-and-hold stuck-at",
    "dropout": "dropouts zero zeros zero-out mask-zero silence cutout timemask coarsedropout "
    "zeroing erase random-erasing",
    "bit-flip": "bitflip bit-flips bitflips bit-error bit-errors ber seu",
    "scale-by": "gain scaling unit-error wrong-units units amplify",
    "ar1": "ar ar-1 autoregressive ou ornstein-uhlenbeck autocorrelated correlated-in-time",
    "random-walk": "brownian brownian-motion wiener walk cumsum randomwalk",
    "pink": "pinknoise pink-noise flicker 1/f one-over-f 1f flicker-noise",
    "brown": "brownnoise brown-noise red red-noise rednoise brownian-noise 1/f2",
    "blue": "bluenoise blue-noise azure",
    "violet": "violetnoise purple purple-noise violet-noise",
    "colored": "color colour colored-noise coloured-noise powerlaw power-law 1/f^a colornoise",
    "drift": "trend baseline baseline-wander wander baseline-drift",
    "timing-jitter": "clock-jitter time-jitter",
    "correlated": "multivariate-normal multivariate mvn correlated-noise correlated2 mvnorm "
    "multivariatenormal",
    "missing": "nan nans null nulls na none mcar mar mnar missingness delete blank nullify mask "
    "drop-values remove-values missing-values dropcells prodna",
    "label-flip": "label-noise labelnoise flip-labels pram symmetric noisy-labels flip-label "
    "invert mislabel",
    "category-swap": "swap-categories category categorical record-swap rankswap rank-swap "
    "recordswap category-noise",
    "shuffle": "permute permutation shuffled permutate swap-values",
    "typo": "typos keyboard misspelling misspell spelling char-noise character-noise "
    "keyboardaug spellingaug butterfinger butter-fingers charnoise randomcharaug",
    "ocr": "ocr-errors ocraug scan scan-errors",
    "case": "upper lower uppercase lowercase caps random-case changecase",
    "whitespace": "spaces space blanks trim",
    "truncate": "cut cut-off chop",
    "mojibake": "encoding encoding-error unicode",
    "day-month-swap": "date-swap swap-dates month-day",
    "drop-rows": "drop-row delete-rows remove-rows sample subsample droprows drop row-dropout",
    "duplicate-rows": "duplicates duplicate dup dup-rows repeat-rows duprows",
    "swap-fields": "swap-columns swap-cols column-swap swap-fields-values",
    "laplace-mechanism": "dp differential-privacy dp-laplace laplace-dp diffpriv",
    "gaussian-mechanism": "dp-gaussian gaussian-dp dp-normal analytic-gaussian",
})  # fmt: skip
"""Models by their names elsewhere, keyed in lower case with - for _ and blanks."""

NAMESPACES = re.compile(r"(?:(?:np|numpy|scipy|stats|random|torch|iaa|rng|tf|augment)\.)+")
"""Module prefixes of a model's name in code."""

FORMATS = _by_word({
    "csv": "text txt plain comma csv-file",
    "tsv": "tab tabs tabular tab-separated",
    "parquet": "pq parq pyarrow",
    "arrow": "feather ipc arrows arrow-ipc feather2",
    "npy": "numpy np array ndarray",
    "npz": "npzip numpy-zip",
    "hdf5": "h5 hdf he5 nc netcdf netcdf4 h5ad nc4 anndata h5py",
    "wav": "wave audio riff",
    "png": "image",
    "tiff": "tif geotiff bigtiff",
})  # fmt: skip
"""Formats by their other names."""

KINDS = _by_word({
    ":float": "float floats float64 float32 double real :floats :double :real :float64",
    ":int": "int ints integer integers int64 :integer :ints :integers :int64",
    ":number": "number numbers numeric numerics num :numeric :numbers :num :numerical :all "
    "numerical",
    ":text": "text string strings str object categorical category :string :str :strings :object "
    ":category :texts",
    ":time": "time times date dates datetime datetimes timestamp :date :datetime :dates :times "
    ":timestamp",
    "'*'": "all every everything any : % .* . :any",
})  # fmt: skip
"""Selectors by the words for them, unless a field has that name."""

LEVELS = {
    r"([+-]?[\d.]+)\s*dB": "type --snr {0}",
    r"([+-]?\d+),(\d+)\s*(\D*)": "type {0}.{1}{2}",
    r"(?:±|\+/?-)\s*([\d.]+)": "type {0}",
    r"([\d.]+)\s*(?:m|mins?\.)": "type {0}min",
    r"([\d.]+)\s*(?:mo|months?|y|years?)": "months and years differ in length; type days",
    r"([\d.]+)\s*ppm": "type it in %: 100 ppm is 0.01%",
    r"([\d.]+)\s*(?:x|times)": "type -d scale-by for a factor, or a share such as 5%",
    r"([\d.]+)\s*(?:var|variance)": "type the standard deviation, its square root",
    r"([\d.]+%?)\s*\*?\s*(?:mean|median|value|x|of value)": "type 5% (of each value)",
    r"([\d.]+)%?\s*\*?\s*(?:max|min|fullscale|fs)": "type 1%range (of the field)",
    r"(?:low|medium|high|mild|strong|small|large|auto)": "type 5% or 0.1sd",
    r"\d+\s*/\s*\d+": "type it as a decimal number",
    r"[\[(].*[\])]": "type one level; --sweep scale=0.1,0.2 takes several",
    r"[\d.]+(?:[-:]|\.\.)[\d.]+": "type one level, or --sweep scale=0.1,0.2",
    r"\d[^,]*,.*,.*": "type --sweep scale=0.1,0.2,0.5 --output-dir DIR",
}
"""What to type instead of a text that is not a level."""

NULLS = ("na", "nan", "none", "nil", "missing", "empty", "nat")
"""Other words for null."""

CONDITIONS = {
    # matched where a condition stops making sense
    r"&&?": "type and",
    r"\|\|?": "type or",
    r"[~!](?!=)": "type not",
    r"=>": "type >=",
    r"=<": "type <=",
    r"=": "type ==",
    rf"(?:{'|'.join(NULLS)})\b": "type is null",
    r"between\b": "type x >= 1 and x <= 5",
    r"(?:i?like|contains|startswith|matches|regexp?)\b": 'type x == "text" or x in ("a", "b")',
    r"(?:<|>|==|!=)": "type 1 < x and x < 5",
    "[\u201c\u201d\u2018\u2019\u201e\u00ab\u00bb]": "type straight quotes",
    r"\[": 'type in ("a", "b")',
    r"\(": "there are no functions; x is null, and + - * / are there",
    r"(?:\*\*|\^|%|//)": "there are + - * / only",
    r"(?:xor|then|else|if|where|select)\b": "join conditions with and, or, not",
    r"[;]": "join conditions with and",
    r"[-.\w]": "put a text in quotes, and a name with blanks in backquotes",
}
"""What to type instead where a condition cannot be parsed."""

INPUTS = {
    r"([\d.]+\s*(?:%|sd|std|iqr|%range)?)": "type -s {0}",
    r"([\d.]+\s*dB)": "type --snr {0}",
    r".*[*?].*": "no file matches it",
    r"(scale|sd|snr|rate|seed|dist|columns|where|loc|df)=(.+)": "type --{0} {1}",
    r"(\w+=.+)": "type -p {0}",
}
"""What to type instead of a positional word that is not a file, by its form."""

SUBCOMMANDS = _by_word({
    "type noisify --help": "help usage ? /? /h /help",
    "type noisify --version": "version",
    "type noisify --list-models": "list models ls list-models noises",
    "type noisify --list-presets": "presets list-presets",
    "type noisify --explain MODEL": "explain info describe show doc",
    "type noisify-compare CLEAN NOISY": "compare diff stats",
    "type noisify --restore MASK NOISY -o CLEAN": "restore undo revert denoise",
    "there are no subcommands; type noisify FILE -s 5%": "run add apply noise noisify add-noise "
    "corrupt augment perturb file convert generate make start exec process",
    "type --sweep scale=0.01,0.1 --output-dir DIR": "sweep",
    "leave it out: noise is added to each INPUT": "to into with by on of and",
})  # fmt: skip
"""What to type instead of a positional word that is not a file."""

REPEATED = {
    **dict.fromkeys(
        ("model", "scale", "sd", "snr", "rate", "loc", "df", "clip"),
        "different noise for different fields is --noise income=normal:5% --noise lat=normal:0.001",
    ),
    "where": "join the conditions, --where '(A) and (B)', or give each --noise its own where=",
    "seed": "copies with noise of their own are --replicates N --output-dir DIR",
    "recipe": "put the [[noise]] tables of both into one file",
    "output": "several outputs are --sweep or --replicates with --output-dir DIR",
    "output_dir": "one run writes to one folder",
}
"""What to type instead of giving a single-valued option twice."""

_NO_JOBS = "leave --jobs out for one worker for each processor"
_NEW_SEED = "leave --seed out for a new one each time, which is printed"
VALUES = {
    **{("jobs", word): _NO_JOBS for word in ("-1", "0", "all", "auto", "max", "none")},
    **{("seed", word): _NEW_SEED for word in ("random", "none", "time", "auto", "new")},
    **{
        ("decimals", word): "leave --decimals out to keep all digits"
        for word in ("-1", "none", "all", "auto")
    },
    **{("decimal", word): "type --decimal ," for word in ("comma", "de", "eu")},
    ("encoding", "auto"): "leave --encoding out for UTF-8, or name one, such as cp1252",
    ("compress_level", "best"): "type a number; 9 is the smallest of gzip",
    ("compress_level", "fast"): "type a number; 1 is the fastest",
}
"""What to type instead of an option's value, by its parameter and the value in lower case."""


def suggestion(
    forms: dict[str, str], text: str, match: Callable[..., re.Match[str] | None] = re.fullmatch
) -> str:
    """Return `; ` and the answer of the first form that matches a text, or "".

    Args:
        forms: Answers by regular expressions; {0} in one is the first group, and so on.
        text: The text.
        match: How a form has to match: the whole text, or with `re.match` its start.

    >>> suggestion(LEVELS, "20 dB"), suggestion(CONDITIONS, "&& b < 1", re.match)
    ('; type --snr 20', '; type and')
    """
    for form, answer in forms.items():
        if found := match(form, text, re.IGNORECASE | re.DOTALL):
            return "; " + answer.format(*found.groups())
    return ""
