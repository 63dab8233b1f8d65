"""The noise models as objects; `make readme` has written this."""

from collections.abc import Iterable

from noisify.plan.model_names import ModelName as ModelName
from noisify.plan.model_spec import ModelSpec as ModelSpec

__all__: list[str]


class Normal(ModelSpec):
    """Normal (Gaussian) noise: x + loc + scale * z, z ~ N(0, 1).

    The usual model of sensor and channel noise. Its scale is its standard deviation.
    Density: exp(-z**2 / 2) / sqrt(2 pi). Drawn by the ziggurat (Marsaglia and Tsang, 2000).

    Args:
        scale: the distribution's scale, as a level
        loc: added to every value, in the field's unit
        sd: the noise's own standard deviation, as a level, instead of scale
        snr: the signal-to-noise ratio in dB, instead of scale
    """

    def __init__(
        self,
        *,
        scale: float | str = "0.1sd",
        loc: float = 0.0,
        sd: float | str | None = None,
        snr: float | str | None = None,
    ) -> None: ...

class Uniform(ModelSpec):
    """Uniform noise: x + loc + u, u uniform on [-scale, scale).

    Rounding and quantisation errors look like this. Its scale is its half-width; its standard
    deviation is scale / sqrt(3).

    Args:
        scale: the distribution's scale, as a level
        loc: added to every value, in the field's unit
        sd: the noise's own standard deviation, as a level, instead of scale
        snr: the signal-to-noise ratio in dB, instead of scale
    """

    def __init__(
        self,
        *,
        scale: float | str = "0.1sd",
        loc: float = 0.0,
        sd: float | str | None = None,
        snr: float | str | None = None,
    ) -> None: ...

class Laplace(ModelSpec):
    """Laplace (double exponential) noise with density exp(-|z|) / 2 at scale 1.

    Sharper and longer-tailed than the normal; the noise of differential privacy. Its scale is b;
    its standard deviation is b * sqrt(2). NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.6.

    Args:
        scale: the distribution's scale, as a level
        loc: added to every value, in the field's unit
        sd: the noise's own standard deviation, as a level, instead of scale
        snr: the signal-to-noise ratio in dB, instead of scale
    """

    def __init__(
        self,
        *,
        scale: float | str = "0.1sd",
        loc: float = 0.0,
        sd: float | str | None = None,
        snr: float | str | None = None,
    ) -> None: ...

class Cauchy(ModelSpec):
    """Cauchy (Lorentz) noise with density 1 / (pi (1 + z**2)) at scale 1.

    Occasionally very large: it has neither a mean nor a variance, so --sd and --snr refuse it.
    Its scale is gamma, half of its interquartile range. NIST e-Handbook, 1.3.6.6.

    Args:
        scale: the distribution's scale, as a level
        loc: added to every value, in the field's unit
        sd: the noise's own standard deviation, as a level, instead of scale
        snr: the signal-to-noise ratio in dB, instead of scale
    """

    def __init__(
        self,
        *,
        scale: float | str = "0.1sd",
        loc: float = 0.0,
        sd: float | str | None = None,
        snr: float | str | None = None,
    ) -> None: ...

class StudentT(ModelSpec):
    """Student's t noise with df degrees of freedom: between Cauchy (df = 1) and normal (large df).

    Density at scale 1: proportional to (1 + z**2 / df) ** (-(df + 1) / 2). Its standard deviation
    is scale * sqrt(df / (df - 2)); for df <= 2 it has none, and --sd and --snr refuse it.

    Args:
        scale: the distribution's scale, as a level
        loc: added to every value, in the field's unit
        df: degrees of freedom, above 0
        sd: the noise's own standard deviation, as a level, instead of scale
        snr: the signal-to-noise ratio in dB, instead of scale
    """

    def __init__(
        self,
        *,
        scale: float | str = "0.1sd",
        loc: float = 0.0,
        df: float = 3.0,
        sd: float | str | None = None,
        snr: float | str | None = None,
    ) -> None: ...

class Logistic(ModelSpec):
    """Logistic noise with density e**-z / (1 + e**-z)**2 at scale 1.

    Like the normal with somewhat heavier tails. Its standard deviation is scale * pi / sqrt(3).

    Args:
        scale: the distribution's scale, as a level
        loc: added to every value, in the field's unit
        sd: the noise's own standard deviation, as a level, instead of scale
        snr: the signal-to-noise ratio in dB, instead of scale
    """

    def __init__(
        self,
        *,
        scale: float | str = "0.1sd",
        loc: float = 0.0,
        sd: float | str | None = None,
        snr: float | str | None = None,
    ) -> None: ...

class Gumbel(ModelSpec):
    """Gumbel (extreme value, type I) noise with density exp(-z - e**-z) at scale 1.

    The distribution of the largest of many errors; its long tail is above. Its mode is 0, its mean
    0.5772 * scale, its standard deviation scale * pi / sqrt(6). NIST e-Handbook, 1.3.6.6.16.

    Args:
        scale: the distribution's scale, as a level
        loc: added to every value, in the field's unit
        center: subtract the distribution's mean, so that noise has mean 0
        sd: the noise's own standard deviation, as a level, instead of scale
        snr: the signal-to-noise ratio in dB, instead of scale
    """

    def __init__(
        self,
        *,
        scale: float | str = "0.1sd",
        loc: float = 0.0,
        center: bool = False,
        sd: float | str | None = None,
        snr: float | str | None = None,
    ) -> None: ...

class Exponential(ModelSpec):
    """Exponential noise with density e**-z, z >= 0, at scale 1.

    Errors that only ever add: waiting times, delays, background counts. Its scale is its mean and
    its standard deviation. NIST e-Handbook, 1.3.6.6.7.

    Args:
        scale: the distribution's scale, as a level
        loc: added to every value, in the field's unit
        center: subtract the distribution's mean, so that noise has mean 0
        sd: the noise's own standard deviation, as a level, instead of scale
        snr: the signal-to-noise ratio in dB, instead of scale
    """

    def __init__(
        self,
        *,
        scale: float | str = "0.1sd",
        loc: float = 0.0,
        center: bool = False,
        sd: float | str | None = None,
        snr: float | str | None = None,
    ) -> None: ...

class Gamma(ModelSpec):
    """Gamma (Erlang) noise with density z**(shape - 1) e**-z / Gamma(shape), z >= 0, at scale 1.

    The sum of `shape` exponential errors: shape = 1 is exponential, a large shape nearly normal.
    Its mean is shape * scale, its standard deviation sqrt(shape) * scale. NIST e-Handbook,
    1.3.6.6.11; drawn by the method of Marsaglia and Tsang (2000).

    Args:
        scale: the distribution's scale, as a level
        loc: added to every value, in the field's unit
        center: subtract the distribution's mean, so that noise has mean 0
        shape: shape, above 0: how many exponentials it is the sum of
        sd: the noise's own standard deviation, as a level, instead of scale
        snr: the signal-to-noise ratio in dB, instead of scale
    """

    def __init__(
        self,
        *,
        scale: float | str = "0.1sd",
        loc: float = 0.0,
        center: bool = False,
        shape: float = 2.0,
        sd: float | str | None = None,
        snr: float | str | None = None,
    ) -> None: ...

class LogNormal(ModelSpec):
    """Lognormal noise: x + loc + scale * e**(sigma * z), z ~ N(0, 1).

    Errors that multiply up; its long tail is above. Its scale is its median; its mean is
    scale * e**(sigma**2 / 2), its standard deviation that times sqrt(e**(sigma**2) - 1). NIST
    e-Handbook, 1.3.6.6.9.

    Args:
        scale: the distribution's scale, as a level
        loc: added to every value, in the field's unit
        center: subtract the distribution's mean, so that noise has mean 0
        sigma: standard deviation of the noise's logarithm
        sd: the noise's own standard deviation, as a level, instead of scale
        snr: the signal-to-noise ratio in dB, instead of scale
    """

    def __init__(
        self,
        *,
        scale: float | str = "0.1sd",
        loc: float = 0.0,
        center: bool = False,
        sigma: float = 1.0,
        sd: float | str | None = None,
        snr: float | str | None = None,
    ) -> None: ...

class Triangular(ModelSpec):
    """Triangular noise: x + loc + scale * z, z on [-1, 1] with density 1 - |z|.

    The sum of two equal uniform errors, such as a difference of two rounded readings, and TPDF
    dither. Its scale is its half-width; its standard deviation is scale / sqrt(6). JCGM 100:2008
    (GUM), 4.3.9.

    Args:
        scale: the distribution's scale, as a level
        loc: added to every value, in the field's unit
        sd: the noise's own standard deviation, as a level, instead of scale
        snr: the signal-to-noise ratio in dB, instead of scale
    """

    def __init__(
        self,
        *,
        scale: float | str = "0.1sd",
        loc: float = 0.0,
        sd: float | str | None = None,
        snr: float | str | None = None,
    ) -> None: ...

class TruncatedNormal(ModelSpec):
    """Normal noise without its tails: x + loc + scale * z, z ~ N(0, 1) given that |z| <= cut.

    For errors that are known to stay within limits. Its scale is the standard deviation before the
    tails are cut off; after, it is scale * sqrt(1 - 2 cut f(cut) / (2 F(cut) - 1)), where f and F
    are the normal density and distribution function: 0.8796 * scale at cut = 2. Johnson, Kotz and
    Balakrishnan (1994), "Continuous univariate distributions", volume 1, 13.10.1. Drawn by
    inverting F at one uniform variate per element (Wichura, 1988, AS 241).

    Args:
        scale: the distribution's scale, as a level
        loc: added to every value, in the field's unit
        cut: where it is cut off on either side, in scales
        sd: the noise's own standard deviation, as a level, instead of scale
        snr: the signal-to-noise ratio in dB, instead of scale
    """

    def __init__(
        self,
        *,
        scale: float | str = "0.1sd",
        loc: float = 0.0,
        cut: float = 2.0,
        sd: float | str | None = None,
        snr: float | str | None = None,
    ) -> None: ...

class Multiplicative(ModelSpec):
    """Multiplicative (speckle) noise: x * (1 + scale * z), z ~ N(0, 1).

    Errors that grow with the value: gain, speckle in radar and ultrasound images. The scale is a
    share (0.1 and 10% are the same), and the SNR is -20 log10(scale) dB. With dist=uniform z is
    uniform on [-1, 1), so that the scale is the half-width and the standard deviation is
    scale / sqrt(3) of the value. A complex value keeps its phase, or is turned by 180 degrees.
    MATLAB's imnoise(I, "speckle") has the uniform one, ImageNet-C (Hendrycks and Dietterich, 2019)
    the normal one.

    Args:
        scale: share of each value: a number, 5% or @field
        dist: distribution of z: normal or uniform (half-width 1)
        sd: the noise's own standard deviation, as a level, instead of scale
        snr: the signal-to-noise ratio in dB, instead of scale
    """

    def __init__(
        self,
        *,
        scale: float | str = 0.1,
        dist: str = "normal",
        sd: float | str | None = None,
        snr: float | str | None = None,
    ) -> None: ...

class Rounding(ModelSpec):
    """Rounding (quantisation): each value becomes the nearest of evenly spaced levels.

    With step, the levels are all its multiples, including 0 (a mid-tread quantiser). With bits,
    there are 2**bits levels from low to high, so the step is (high - low) / (2**bits - 1), and
    values beyond become low or high; low and high are by default the field's own. Half way between
    two levels the even one is taken. Whole numbers and decimals keep their type: a level between
    two of them is rounded to one.

    What analogue-to-digital converters and short printouts do. It involves no chance and no seed.
    The error is at most step / 2, and its standard deviation is about step / sqrt(12) if the step
    is small: Bennett (1948), "Spectra of quantized signals"; Widrow and Kollar (2008),
    "Quantization noise".

    Args:
        step: distance between levels, in the field's unit
        bits: instead: 2**bits levels from low to high
        low: with bits: the lowest level; left out: the field's
        high: with bits: the highest level; left out: the field's
    """

    def __init__(
        self,
        *,
        step: float | None = None,
        bits: int | None = None,
        low: float | None = None,
        high: float | None = None,
    ) -> None: ...

class Bias(ModelSpec):
    """Bias (systematic error): x + loc + scale * z with one z ~ N(0, 1) for the whole field.

    With by=COLUMN there is one z for each key in that column, wherever the key appears: an offset
    for each device, batch, site or observer, as in a random-intercept (batch effect) model. Rows
    without a key share one. A level in % makes it a gain: each value is off by the same share. A
    complex value gets a z in each part, with half the variance each.

    The scale is the standard deviation of the offsets over many fields or keys. Within one offset
    nothing varies, so --sd and --snr refuse it. JCGM 200:2012 (VIM), 2.17, systematic measurement
    error; Laird and Ware (1982), "Random-effects models for longitudinal data".

    Args:
        scale: standard deviation of the offsets, as a level
        loc: added to every value, in the field's unit
        by: the field whose keys have an offset each; left out: none
        sd: the noise's own standard deviation, as a level, instead of scale
        snr: the signal-to-noise ratio in dB, instead of scale
    """

    def __init__(
        self,
        *,
        scale: float | str = "0.1sd",
        loc: float = 0.0,
        by: str | None = None,
        sd: float | str | None = None,
        snr: float | str | None = None,
    ) -> None: ...

class Poisson(ModelSpec):
    """Shot noise: y = k / count, k ~ Poisson(x * count).

    What a detector that counts photons, electrons or events makes of an expected value x: `count`
    events to the unit. The noise's standard deviation is sqrt(x / count); its mean is x. Zero and
    negative values are left alone; integers and decimals are rounded half to even.

    k is the smallest whole number at which the Poisson CDF reaches the element's own uniform
    variate, so a brighter element never counts fewer. It is exact in double precision: where the
    asymptotic quantile of Giles (2016), "Algorithm 955: approximation of the inverse Poisson
    cumulative distribution function", is ambiguous, the distribution is summed. For a rate above
    1e6 the quantile is right to 2e-16 of the rate and 1e-11 of a count. A rate above 1e34 leaves
    the value as it is: the noise is less than its last place.

    Args:
        count: events for each unit of the value
    """

    def __init__(
        self,
        *,
        count: float = 1.0,
    ) -> None: ...

class Binomial(ModelSpec):
    """Thinning: of x counted things each is kept with probability keep, y ~ Binomial(x, keep).

    A detector's efficiency, an undercount, a subsample of events: keep = 0.9 loses one in ten. The
    mean is keep * x, the variance keep * (1 - keep) * x. A number that is not whole is rounded down
    before it is thinned; zero and negative values are left alone.

    y is the smallest whole number at which the binomial CDF reaches the element's own uniform
    variate, so the same seed keeps more at a higher keep. It is exact in double precision: where
    the asymptotic quantile (the expansion of Cornish and Fisher, 1938, to the fifth order) is
    ambiguous, the distribution is summed. Where the variance is above 1e6 the quantile is right to
    2e-16 of the mean and 1e-11 of a count.

    Args:
        keep: probability that each one is kept
    """

    def __init__(
        self,
        *,
        keep: float | str = 0.9,
    ) -> None: ...

class SaltAndPepper(ModelSpec):
    """Salt-and-pepper noise: an element that is hit becomes the highest or the lowest value.

    Dead and hot pixels, bit errors of a converter. Half of those hit become high (salt) unless
    `salt` says otherwise, as in MATLAB's imnoise(I, "salt & pepper", d). Integers go to the ends of
    their type (0 and 255 for uint8), floats to 0 and 1, unless low and high are given. Gonzalez and
    Woods, "Digital Image Processing", section 5.2.

    Args:
        rate: share of the elements that are hit
        low: lowest value; left out: of the type, 0 for floats
        high: highest value; left out: of the type, 1 for floats
        salt: share of those hit that become high
    """

    def __init__(
        self,
        *,
        rate: float | str = 0.01,
        low: float | None = None,
        high: float | None = None,
        salt: float | str = 0.5,
    ) -> None: ...

class Impulse(ModelSpec):
    """Random-valued impulses: an element that is hit becomes any value, uniform on low to high.

    Integers are uniform over all whole numbers from low to high, both included: the whole type
    unless given. Random-valued impulse noise as in Garnett et al. (2005), "A universal noise
    removal algorithm with an impulse detector".

    Args:
        rate: share of the elements that are hit
        low: lowest value; left out: of the type, 0 for floats
        high: highest value; left out: of the type, 1 for floats
    """

    def __init__(
        self,
        *,
        rate: float | str = 0.01,
        low: float | None = None,
        high: float | None = None,
    ) -> None: ...

class Outlier(ModelSpec):
    """Outliers: an element that is hit is pushed beyond the quartile fences.

    The fences lie `factor` interquartile ranges below the lower and above the upper quartile of the
    whole field (Tukey, 1977, "Exploratory Data Analysis": 1.5 is an outlier, 3 is far out). The new
    value lies strictly beyond one of them, chosen with equal chance, by an exponential amount whose
    mean is an interquartile range. Where the type does not reach beyond one fence, it lies beyond
    the other.

    Args:
        rate: share of the elements that are hit
        factor: interquartile ranges from quartile to fence
        low: the lower fence; left out: the field's
        high: the upper fence; left out: the field's
        spread: mean distance beyond the fence; left out: the iqr
    """

    def __init__(
        self,
        *,
        rate: float | str = 0.01,
        factor: float = 3.0,
        low: float | None = None,
        high: float | None = None,
        spread: float | None = None,
    ) -> None: ...

class Spike(ModelSpec):
    """Spikes: an element that is hit jumps by the scale, up or down with equal chance.

    Electrical interference, transmission errors: additive outliers of one sample in the sense of
    Fox (1972), "Outliers in time series".

    Args:
        rate: share of the elements that are hit
        scale: height of a spike, as a level
        sd: the noise's own standard deviation, as a level, instead of scale
        snr: the signal-to-noise ratio in dB, instead of scale
    """

    def __init__(
        self,
        *,
        rate: float | str = 0.01,
        scale: float | str = "3sd",
        sd: float | str | None = None,
        snr: float | str | None = None,
    ) -> None: ...

class Stuck(ModelSpec):
    """A stuck sensor: the elements of a run keep the value of the run's first one.

    Runs start at multiples of their length, and each is stuck with probability rate. Stuck-at
    faults, as Ni et al. (2009), "Sensor network data fault types", describe them.

    Args:
        rate: share of the elements that are hit
        run: elements in a run
        axis: axis of an array along which it works, 0 the first and -1 the last
    """

    def __init__(
        self,
        *,
        rate: float | str = 0.01,
        run: int = 16,
        axis: int = 0,
    ) -> None: ...

class Dropout(ModelSpec):
    """Dropout: an element that is hit becomes zero.

    Lost samples and dead pixels that read as nothing; Srivastava et al. (2014), "Dropout", without
    their rescaling of the rest.

    Args:
        rate: share of the elements that are hit
    """

    def __init__(
        self,
        *,
        rate: float | str = 0.01,
    ) -> None: ...

class BitFlip(ModelSpec):
    """Flipped bits: a whole number that is hit has some of its bits turned over.

    Memory and transmission errors: single-event upsets (JEDEC JESD89A). `bits` different bits are
    chosen with equal chance, from the whole width or from lowest to highest (0 the least).

    Args:
        rate: share of the elements that are hit
        bits: how many bits
        lowest: lowest bit that may flip
        highest: highest bit that may flip; left out: the type's
    """

    def __init__(
        self,
        *,
        rate: float | str = 0.01,
        bits: int = 1,
        lowest: int = 0,
        highest: int | None = None,
    ) -> None: ...

class ScaleBy(ModelSpec):
    """The wrong unit: each value is multiplied by a factor with probability rate.

    Millimetres for metres, cents for euros, a decimal point that slipped. Of several factors, each
    value hit takes one with equal chance: "10|100|1000", or "0.001" for the other way round.
    Statistical offices call it the thousand or unity measure error: de Waal, Pannekoek and Scholtus
    (2011), "Handbook of statistical data editing and imputation", chapter 2.

    Args:
        rate: share of the values that are hit
        factor: one factor, or several with | between
    """

    def __init__(
        self,
        *,
        rate: float | str = 0.01,
        factor: float | str | Iterable[float] = (10.0, 100.0, 1000.0),
    ) -> None: ...

class LaplaceMechanism(ModelSpec):
    """Differential privacy by Laplace noise: x + b * z, b = sensitivity / epsilon.

    z has density exp(-|z|) / 2. A release of values that one person can change by at most
    `sensitivity` in all (the sum of the absolute changes, L1) is then epsilon-differentially
    private. For cells that each come from one person and lie in a known range, the sensitivity is
    that range, and each cell is epsilon-locally private. Dwork, McSherry, Nissim and Smith (2006),
    "Calibrating noise to sensitivity in private data analysis"; Dwork and Roth (2014), "The
    algorithmic foundations of differential privacy", theorem 3.6.

    What it does not protect against. The sensitivity is yours to bound: nothing here checks the
    data or clips them to it, so clip first. It is for one release: the epsilons of several fields,
    steps or files about the same people add up. Anyone who knows the seed can remove the noise, and
    so can anyone who sees two releases with one seed and different epsilons; the command prints the
    seed and puts it into the report: keep it secret, and use it once. The noise is float64 from a
    generator that is not cryptographic, and the low bits of a float64 Laplace variate reveal values
    (Mironov, 2012, "On significance of the least significant bits for differential privacy"): round
    the output, and do not mistake this for hardened software. Missing values, and everything in
    fields that get no noise, stay as they are.

    Args:
        epsilon: the privacy budget, above 0
        sensitivity: how much one person can change the values
        scale: the calibrated scale, computed from the others
    """

    def __init__(
        self,
        *,
        epsilon: float,
        sensitivity: float,
        scale: float | None = None,
    ) -> None: ...

class GaussianMechanism(ModelSpec):
    """Differential privacy by normal noise: x + sigma * z, z ~ N(0, 1).

    A release of values that one person can change by at most `sensitivity` (the root of the sum of
    the squared changes, L2) is then (epsilon, delta)-differentially private. Up to epsilon = 1,
    sigma = sqrt(2 ln(1.25 / delta)) * sensitivity / epsilon: Dwork and Roth (2014), "The
    algorithmic foundations of differential privacy", theorem A.1. That is not proven beyond 1;
    there sigma is the smallest that is enough, F(a) - e**epsilon F(-b) = delta with
    a, b = sensitivity / (2 sigma) -+ epsilon sigma / sensitivity and F the normal distribution
    function, found by bisection: Balle and Wang (2018), "Improving the Gaussian mechanism for
    differential privacy", theorem 8. It needs less noise, so sigma falls by about a quarter (at
    delta = 1e-5) as epsilon passes 1.

    What it does not protect against. With probability delta the promise may fail altogether: take
    delta well below one over the number of people. The sensitivity is yours to bound: nothing here
    checks the data or clips them to it, so clip first. It is for one release: the budgets of
    several fields, steps or files about the same people add up. Anyone who knows the seed can
    remove the noise, and so can anyone who sees two releases with one seed and different epsilons;
    the command prints the seed and puts it into the report: keep it secret, and use it once. The
    noise is float64 from a generator that is not cryptographic, and the low bits of float64 noise
    reveal values (Mironov, 2012, "On significance of the least significant bits for differential
    privacy"): round the output, and do not mistake this for hardened software. Missing values, and
    everything in fields that get no noise, stay as they are.

    Args:
        epsilon: the privacy budget, above 0
        sensitivity: how much one person can change the values
        scale: the calibrated scale, computed from the others
        delta: the probability with which the promise may fail
    """

    def __init__(
        self,
        *,
        epsilon: float,
        sensitivity: float,
        scale: float | None = None,
        delta: float = 1e-05,
    ) -> None: ...

class AR1(ModelSpec):
    """First-order autoregressive noise: x + loc + scale * y, each y close to the one before.

    y[t + 1] = rho y[t] + sqrt(1 - rho**2) z, z ~ N(0, 1), in the order of the elements. The model
    of a sensor whose errors last: "red noise" in climate records, exponentially correlated noise in
    IEEE Std 952. It is stationary from the first element on: normal, with scale as its standard
    deviation, and correlation rho**k over k elements; errors last about -1 / ln(rho) elements. A
    negative rho alternates. Drawn exactly. Box and Jenkins, Time Series Analysis, 1970, chapter 3.

    Args:
        scale: the distribution's scale, as a level
        loc: added to every value, in the field's unit
        rho: correlation of neighbouring elements, between -1 and 1
        axis: axis of an array along which it works, 0 the first and -1 the last
        sd: the noise's own standard deviation, as a level, instead of scale
        snr: the signal-to-noise ratio in dB, instead of scale
    """

    def __init__(
        self,
        *,
        scale: float | str = "0.1sd",
        loc: float = 0.0,
        rho: float = 0.9,
        axis: int = 0,
        sd: float | str | None = None,
        snr: float | str | None = None,
    ) -> None: ...

class RandomWalk(ModelSpec):
    """A random walk: x + loc + scale * (the sum of all steps so far), steps ~ N(0, 1).

    The integral of white noise: a clock's phase, a position from dead reckoning (IEEE Std 952:
    random walk). The walk starts at 0, so element 0 only gets loc. scale is the standard deviation
    of one step; that of element t is scale * sqrt(t). There is none for the field as a whole, so
    --sd and --snr refuse it. A scale that differs between elements (5%, @column) multiplies the
    walk's value at each element.

    Drawn exactly, by a coarse walk and Brownian bridges (Levy, 1948).

    Args:
        scale: the distribution's scale, as a level
        loc: added to every value, in the field's unit
        axis: axis of an array along which it works, 0 the first and -1 the last
        sd: the noise's own standard deviation, as a level, instead of scale
        snr: the signal-to-noise ratio in dB, instead of scale
    """

    def __init__(
        self,
        *,
        scale: float | str = "0.1sd",
        loc: float = 0.0,
        axis: int = 0,
        sd: float | str | None = None,
        snr: float | str | None = None,
    ) -> None: ...

class ColoredNoise(ModelSpec):
    """Coloured noise: x + loc + scale * y, where y's power at frequency f is ~ 1 / f**exponent.

    In the order of the elements: exponent 1 is pink, 2 brown, 0 white, -1 blue, -2 violet, and
    anything between. y is stationary and normal, and scale is its standard deviation.

    The slowest period is the field's length, unless cutoff gives another; slower than that, the
    spectrum is level. So scale is the standard deviation that the field is expected to show about
    its own mean, and --snr counts the mean as well. With cutoff, scale is the standard deviation of
    y over a time much longer than that, and the length need not be known: standard input is not
    read twice.

    For an exponent above 0, y is a sum of independent first-order autoregressive sequences with
    time constants in equal ratios of at most 8, weighted in closed form, and smoothed slightly over
    two elements. Its spectrum is within 1 dB of 1 / f**exponent from one cycle in the slowest
    period to 0.3 cycles per element. For an exponent below 0 it is the differences of such a
    sequence of exponent + 2, not smoothed, and follows (2 sin(pi f))**-exponent: within 1 dB of the
    power law up to 0.25 cycles. Fields of fewer than 16 elements get the noise of 16.

    Drawn exactly, at any length. Kasdin, "Discrete simulation of colored noise", Proc. IEEE 83,
    1995; sums of relaxations: van der Ziel, Physica 16, 1950.

    Args:
        scale: the distribution's scale, as a level
        loc: added to every value, in the field's unit
        cutoff: the slowest period, in elements; default: the field's length
        length: elements of the field; default: as many as it has
        axis: axis of an array along which it works, 0 the first and -1 the last
        exponent: a in power ~ 1 / f**a, from -2 to 2
        sd: the noise's own standard deviation, as a level, instead of scale
        snr: the signal-to-noise ratio in dB, instead of scale
    """

    def __init__(
        self,
        *,
        scale: float | str = "0.1sd",
        loc: float = 0.0,
        cutoff: int | None = None,
        length: int | None = None,
        axis: int = 0,
        exponent: float = 1.0,
        sd: float | str | None = None,
        snr: float | str | None = None,
    ) -> None: ...

class PinkNoise(ModelSpec):
    """Pink (flicker) noise: x + loc + scale * y, y's power ~ 1/f: the same in every octave.

    The low-frequency noise of electronics, oscillators and many natural records. The slowest period
    is the field's length, or cutoff, and scale is the standard deviation that the field is expected
    to show. The same as colored with exponent 1, where construction and accuracy are explained.
    Kasdin, Proc. IEEE 83, 1995.

    Args:
        scale: the distribution's scale, as a level
        loc: added to every value, in the field's unit
        cutoff: the slowest period, in elements; default: the field's length
        length: elements of the field; default: as many as it has
        axis: axis of an array along which it works, 0 the first and -1 the last
        sd: the noise's own standard deviation, as a level, instead of scale
        snr: the signal-to-noise ratio in dB, instead of scale
    """

    def __init__(
        self,
        *,
        scale: float | str = "0.1sd",
        loc: float = 0.0,
        cutoff: int | None = None,
        length: int | None = None,
        axis: int = 0,
        sd: float | str | None = None,
        snr: float | str | None = None,
    ) -> None: ...

class BrownNoise(ModelSpec):
    """Brown (red) noise: x + loc + scale * y, y's power ~ 1 / f**2, kept from running away.

    Like a random walk, but stationary: a first-order process whose time constant is 0.4 times the
    field's length, or cutoff. scale is the standard deviation that the field is expected to show
    about its own mean; the mean varies as much. To set the step instead, take random-walk. The same
    as colored with exponent 2. Kasdin, Proc. IEEE 83, 1995.

    Args:
        scale: the distribution's scale, as a level
        loc: added to every value, in the field's unit
        cutoff: the slowest period, in elements; default: the field's length
        length: elements of the field; default: as many as it has
        axis: axis of an array along which it works, 0 the first and -1 the last
        sd: the noise's own standard deviation, as a level, instead of scale
        snr: the signal-to-noise ratio in dB, instead of scale
    """

    def __init__(
        self,
        *,
        scale: float | str = "0.1sd",
        loc: float = 0.0,
        cutoff: int | None = None,
        length: int | None = None,
        axis: int = 0,
        sd: float | str | None = None,
        snr: float | str | None = None,
    ) -> None: ...

class BlueNoise(ModelSpec):
    """Blue noise: x + loc + scale * y, y's power ~ f: the differences of pink noise.

    Averaging over neighbours removes most of it, as in dither. scale is the standard deviation
    that the field is expected to show. The same as colored with exponent -1, which states the
    accuracy. Kasdin, Proc. IEEE 83, 1995.

    Args:
        scale: the distribution's scale, as a level
        loc: added to every value, in the field's unit
        cutoff: the slowest period, in elements; default: the field's length
        length: elements of the field; default: as many as it has
        axis: axis of an array along which it works, 0 the first and -1 the last
        sd: the noise's own standard deviation, as a level, instead of scale
        snr: the signal-to-noise ratio in dB, instead of scale
    """

    def __init__(
        self,
        *,
        scale: float | str = "0.1sd",
        loc: float = 0.0,
        cutoff: int | None = None,
        length: int | None = None,
        axis: int = 0,
        sd: float | str | None = None,
        snr: float | str | None = None,
    ) -> None: ...

class VioletNoise(ModelSpec):
    """Violet noise: x + loc + scale * y, y's power ~ f**2: the differences of white noise.

    The derivative of a noisy record: y[t] = (z[t + 1] - z[t]) / sqrt(2), z ~ N(0, 1), with a
    correlation of -1/2 between neighbours. y is stationary and normal, and scale is its standard
    deviation. The same as colored with exponent -2. Kasdin, Proc. IEEE 83, 1995.

    Args:
        scale: the distribution's scale, as a level
        loc: added to every value, in the field's unit
        cutoff: the slowest period, in elements; default: the field's length
        length: elements of the field; default: as many as it has
        axis: axis of an array along which it works, 0 the first and -1 the last
        sd: the noise's own standard deviation, as a level, instead of scale
        snr: the signal-to-noise ratio in dB, instead of scale
    """

    def __init__(
        self,
        *,
        scale: float | str = "0.1sd",
        loc: float = 0.0,
        cutoff: int | None = None,
        length: int | None = None,
        axis: int = 0,
        sd: float | str | None = None,
        snr: float | str | None = None,
    ) -> None: ...

class Drift(ModelSpec):
    """Linear drift: x + loc + scale * z * i / (length - 1), i = 0 ... length - 1 the element.

    A zero that moves steadily, as in an instrument that warms up (IEEE Std 952: ramp). z is one
    standard normal for the whole field, so scale is the standard deviation of the drift's end; with
    fixed=true z is 1, and the drift ends at scale. A complex value drifts in each part, with half
    the variance each.

    Args:
        scale: the distribution's scale, as a level
        loc: added to every value, in the field's unit
        fixed: whether every field drifts to +scale, not to scale * z
        length: elements of the field; default: as many as it has
        axis: axis of an array along which it works, 0 the first and -1 the last
        sd: the noise's own standard deviation, as a level, instead of scale
        snr: the signal-to-noise ratio in dB, instead of scale
    """

    def __init__(
        self,
        *,
        scale: float | str = "0.1sd",
        loc: float = 0.0,
        fixed: bool = False,
        length: int | None = None,
        axis: int = 0,
        sd: float | str | None = None,
        snr: float | str | None = None,
    ) -> None: ...

class TimingJitter(ModelSpec):
    """Timing jitter: each sample is taken scale * z too late, z ~ N(0, 1), between its neighbours.

    The shift, in samples, is limited to -1 to 1; values are interpolated linearly between the
    elements. A missing neighbour counts as the element's own value. Sampling clock jitter, as IEEE
    Std 1241 (analog-to-digital converters) describes it.

    Args:
        scale: standard deviation of the shift, in samples
        axis: axis of an array along which it works, 0 the first and -1 the last
        sd: the noise's own standard deviation, as a level, instead of scale
        snr: the signal-to-noise ratio in dB, instead of scale
    """

    def __init__(
        self,
        *,
        scale: float | str = 0.1,
        axis: int = 0,
        sd: float | str | None = None,
        snr: float | str | None = None,
    ) -> None: ...

class Correlated(ModelSpec):
    """Correlated noise: each row gets x + e, e ~ N(0, share * Cov), Cov the fields' covariance.

    For blurring microdata before they are shared: the noisy fields keep their means and their
    correlations, and every variance and covariance grows by the factor 1 + share. A field's
    correlation with its own noisy copy is 1 / sqrt(1 + share). This is method "correlated" of
    sdcMicro's addNoise, whose noise is share in percent: noise=150 is share 1.5. Kim, "A method
    for limiting disclosure in microdata", 1986; Brand, "Microdata protection through noise
    addition", LNCS 2316, 2002.

    The covariance is that of all chosen fields over the rows in which each of them has a number. It
    divides by the number of rows n, as every statistic here does, where R divides by n - 1. It may
    be singular. A field alone gets normal noise with share as a share of its variance. To
    set another covariance, give one: rows in the order of the fields in the file.

    Args:
        share: the noise's covariance over the fields'
        fields: the fields, in file order; default: those chosen
        covariance: covariance of the fields; default: their own
    """

    def __init__(
        self,
        *,
        share: float = 1.0,
        fields: str | Iterable[str] | None = None,
        covariance: str | Iterable[Iterable[float]] | None = None,
    ) -> None: ...

class Missing(ModelSpec):
    """Missing values: each value is lost with probability rate, by one of Rubin's mechanisms.

    mcar: completely at random. With burst = L, values are lost in runs, of length L at low rates:
    element i is lost if any of L uniforms, its own and those of the next L - 1, is below
    1 - (1 - rate)**(1/L), which keeps the rate.
    mar: at random given another field, by. mnar: not at random, depending on the value itself.
    In both, the probability is 1 / (1 + exp(-(b + s(z)))), where z is the standardised value of the
    driving field and s(z) is the shape: right z (large values are lost), left -z, mid -|z| or
    tail |z|. b is chosen so that the mean probability over the field is the rate. Where the driving
    value itself is missing, the probability is the rate.

    Rubin (1976), "Inference and missing data"; the shapes are those of mice's ampute
    (Schouten, Lugtig and Vink, 2018, "Generating missing values for simulation purposes") and of
    pyampute.

    Args:
        rate: share of the values that are lost
        mechanism: what decides: mcar chance, mar a field, mnar the value
        by: mar: the field that decides
        shape: mar, mnar: which values are lost: right, left, mid or tail
        burst: mcar: how many are lost together
        axis: axis of an array along which it works, 0 the first and -1 the last
        intercept: mar, mnar: b; left out: chosen for the rate
        mean: mar, mnar: subtracted from values; left out: the mean
        sd: mar, mnar: divisor of values; left out: the sd
    """

    def __init__(
        self,
        *,
        rate: float | str = 0.01,
        mechanism: str = "mcar",
        by: str | None = None,
        shape: str = "right",
        burst: int = 1,
        axis: int = 0,
        intercept: float | None = None,
        mean: float | None = None,
        sd: float | None = None,
    ) -> None: ...

class LabelFlip(ModelSpec):
    """Label noise: a label that is hit becomes another one of the field's.

    Without a matrix the noise is uniform (symmetric): each other value of the field is equally
    likely, P(noisy = b | true = a) = rate / (k - 1) among k values; a bool becomes the other one.
    With a matrix it is class-conditional: "a>b=0.2|a>c=0.1" means P(noisy = b | true = a) = 0.2
    and so on. Otherwise the label stays; the rate (1 unless given) multiplies all probabilities.
    For the study of learning with noisy labels: Angluin and Laird (1988), "Learning from noisy
    examples"; the matrix is T of Patrini et al. (2017), "Making deep neural networks robust to
    label noise".

    A field with only one value stays as it is (unless it is a bool).

    Args:
        rate: share of the labels hit: 0.05, or 1 with a matrix
        values: the labels to choose from; left out: the field's
        matrix: P(noisy = b | true = a) as a>b=0.2|a>c=0.1|b>a=0.05
    """

    def __init__(
        self,
        *,
        rate: float | str | None = None,
        values: str | Iterable[str] | None = None,
        matrix: str | None = None,
    ) -> None: ...

class CategorySwap(ModelSpec):
    """Two labels mistaken for each other: where it hits, a becomes b and b becomes a.

    Pair noise, as of an annotator who mixes up two classes. By default a and b are the field's two
    most frequent labels (of equally frequent ones, the first in the alphabet). Labels other than a
    and b stay, so the share of the field that changes is rate * (the share of a and b). A kind of
    the pair flipping of Han et al. (2018), "Co-teaching".

    A field with fewer than two labels stays as it is.

    Args:
        rate: share of the elements that are hit
        a: one label; left out: the most frequent one
        b: the other label; left out: the most frequent one but a
    """

    def __init__(
        self,
        *,
        rate: float | str = 0.05,
        a: str | None = None,
        b: str | None = None,
    ) -> None: ...

class Shuffle(ModelSpec):
    """Values in the wrong place: those hit change places with others hit in the same window.

    The field is cut into windows of equal length. The elements hit in a window form a random cycle:
    in random order, each takes the value of the next, and the last that of the first, so no value
    keeps its place. The field's values, their distribution and every window's mean stay exactly the
    same; their relation to neighbours and other fields is lost where it hits. Local data swapping
    (Dalenius and Reiss, 1982, "Data-swapping: a technique for disclosure control").

    Missing values stay where they are, and so does an element that is the only one hit in its
    window.

    Args:
        rate: share of the elements that are hit
        window: elements in a window, 2 to 8192
        axis: axis of an array along which it works, 0 the first and -1 the last
    """

    def __init__(
        self,
        *,
        rate: float | str = 0.05,
        window: int = 256,
        axis: int = 0,
    ) -> None: ...

class Typo(ModelSpec):
    """Typing errors: one slip on a QWERTY keyboard in each cell that is hit.

    neighbour: a letter becomes an adjacent letter, a digit an adjacent digit, in the same case;
    insert: such a key is struck as well, before or after; delete: a letter or digit is left out;
    transpose: two different ones side by side change places; double: one is struck twice. Each kind
    that is possible in the cell is equally likely (name one twice and it is twice as likely), and
    so is each place. Damerau (1964), "A technique for computer detection and correction of spelling
    errors", found four of them behind 80% of all misspellings; the keyboard is that of GeCo (Tran,
    Vatsalan and Christen, CIKM 2013).

    Only letters and digits are changed or inserted, never a delimiter, a quote or a line break. A
    cell in which no kind is possible stays as it is, and so do empty cells and cells with
    undecodable bytes; none becomes empty.

    Args:
        rate: share of the cells that are hit
        kinds: the slips that happen, any of neighbour|insert|delete|transpose|double
    """

    def __init__(
        self,
        *,
        rate: float | str = 0.05,
        kinds: str | Iterable[str] = ("neighbour", "insert", "delete", "transpose", "double"),
    ) -> None: ...

class Ocr(ModelSpec):
    """Errors of optical character recognition: one shape taken for another in each cell hit.

    0/O 0/o 1/l 1/I l/I 2/Z 5/S 6/G 8/B 9/g rn/m cl/d vv/w c/e h/b u/v, both ways; each confusion
    that is possible somewhere in the cell is equally likely. GeCo corrupts records with such a
    table (Tran, Vatsalan and Christen, CIKM 2013).

    A cell without such a shape stays as it is, and so do empty cells and cells with undecodable
    bytes.

    Args:
        rate: share of the cells that are hit
    """

    def __init__(
        self,
        *,
        rate: float | str = 0.05,
    ) -> None: ...

class Case(ModelSpec):
    """Changed case: a cell that is hit comes out in capitals, small letters, as a title or swapped.

    upper, lower, title and swap are Unicode's (Python's str.upper, lower, title, swapcase): a
    letter may become two (the German sharp s in capitals). Inconsistent case is what merging
    hand-kept lists leaves behind; the caps-lock key makes `swap`.

    A cell that reads the same afterwards (no letters, or in that case already) stays as it is, and
    so do empty cells and cells with undecodable bytes.

    Args:
        rate: share of the cells that are hit
        to: upper, lower, title or swap
    """

    def __init__(
        self,
        *,
        rate: float | str = 0.05,
        to: str = "swap",
    ) -> None: ...

class Whitespace(ModelSpec):
    """Stray blanks: one blank too many in each cell that is hit.

    leading: in front; trailing: at the end; inner: one of the blanks between words is doubled.
    Each kind that is possible in the cell is equally likely (name one twice and it is twice as
    likely). What copying, padding and joining fields leave behind, and what OpenRefine's "trim
    whitespace" and "collapse consecutive whitespace" repair.

    A cell in which no kind is possible stays as it is, and so do empty cells and cells with
    undecodable bytes.

    Args:
        rate: share of the cells that are hit
        kinds: where the blanks go, any of leading|trailing|inner
    """

    def __init__(
        self,
        *,
        rate: float | str = 0.05,
        kinds: str | Iterable[str] = ("leading", "trailing", "inner"),
    ) -> None: ...

class Truncate(ModelSpec):
    """Cut-off text: a cell that is hit loses its end.

    With keep below 1, that share of its characters (Unicode code points), rounded up, stays.
    Otherwise it loses 1 to drop characters, each number equally likely. A database column that is
    too narrow does this, for example in MySQL without strict mode.

    At least one character stays, so cells of one character stay as they are, and so do empty cells
    and cells with undecodable bytes.

    Args:
        rate: share of the cells that are hit
        keep: share of the characters kept; 1: drop decides
        drop: with keep 1, the most characters that are dropped
    """

    def __init__(
        self,
        *,
        rate: float | str = 0.05,
        keep: float | str = 1.0,
        drop: int = 3,
    ) -> None: ...

class Mojibake(ModelSpec):
    """Garbled encoding: the UTF-8 of a cell that is hit is read as Windows-1252 (or Latin-1).

    "Zürich" comes out as "ZÃ¼rich": what ftfy (Speer, 2019, "ftfy: fixes text for you") repairs.

    ASCII reads the same in all of them, so hit cells of ASCII only stay as they are, and so do
    those with a byte that Windows-1252 does not define (81, 8D, 8F, 90, 9D), empty cells and cells
    with undecodable bytes. latin-1 defines all bytes, but makes invisible control characters.

    Args:
        rate: share of the cells that are hit
        encoding: what the bytes are read as, cp1252 or latin-1
    """

    def __init__(
        self,
        *,
        rate: float | str = 0.05,
        encoding: str = "cp1252",
    ) -> None: ...

class DayMonthSwap(ModelSpec):
    """Day and month mistaken for each other: 3 April (04/03) becomes 4 March (03/04).

    Where it hits, the day becomes the month and the month the day, as when American dates are read
    as European ones. The year and the time of day stay. Times with a zone are swapped as they are
    stored, in UTC. The confusion of all-numeric dates that ISO 8601 was written to end.

    Only dates whose day is at most 12 and is not the month's number can change: about 36% of all
    days. The others stay as they are.

    Args:
        rate: share of the elements that are hit
    """

    def __init__(
        self,
        *,
        rate: float | str = 0.05,
    ) -> None: ...

class DropRows(ModelSpec):
    """Lost rows: each row is left out with probability rate.

    The rows that stay get the same noise as if none were lost. Bernoulli sampling, as SQL's
    TABLESAMPLE BERNOULLI does it (ISO/IEC 9075-2).

    Args:
        rate: share of the rows that are hit
    """

    def __init__(
        self,
        *,
        rate: float | str = 0.01,
    ) -> None: ...

class DuplicateRows(ModelSpec):
    """Repeated rows: each row comes out `times` times more with probability rate.

    The copies follow their row. They are exact, or, with fresh, get noise of their own from the
    other specs: near-duplicates, used to test record linkage and deduplication (Christen, 2012,
    "Data Matching", chapter 7).

    Args:
        rate: share of the rows that are hit
        times: how many copies more
        fresh: copies get noise of their own from the other specs
    """

    def __init__(
        self,
        *,
        rate: float | str = 0.01,
        times: int = 1,
        fresh: bool = False,
    ) -> None: ...

class SwapFields(ModelSpec):
    """Values in the wrong column: where it hits, two fields of a row change their values.

    First name and surname, length and width, latitude and longitude: the misfielded values of Rahm
    and Do (2000), "Data cleaning: problems and current approaches". The two fields must be of the
    same type. Rows in which one of them is missing are left alone.

    Args:
        rate: share of the rows that are hit
        fields: the two fields; left out: those the spec is for
    """

    def __init__(
        self,
        *,
        rate: float | str = 0.05,
        fields: str | Iterable[str] | None = None,
    ) -> None: ...
