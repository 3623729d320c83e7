"""`gradatim derive`, end to end. Usage: derive_command_test.py GRADATIM; exits 77 where there is no gnuplot to
check the plots with, after all other checks."""
import json
import math
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

METHODS = {"forward", "central", "stencil4", "stencil6", "stencil8", "richardson", "ridders",
           "adaptive", "complex-step", "dual", "tape"}


def run(gradatim, *arguments):
    return subprocess.run([gradatim, "derive", *arguments], capture_output=True, text=True,
                          timeout=60)


def derive(gradatim, expression, at, *arguments, code=0):
    done = run(gradatim, f"--at={at}", "--json", *arguments, "--", expression)
    assert done.returncode == code, done
    return json.loads(done.stdout.splitlines()[-1])


def check_every_method(gradatim):
    result = derive(gradatim, "0.01*x^2 + 0.1*x", "5")
    assert {m["method"] for m in result["methods"]} == METHODS
    assert math.isclose(result["value"], 0.75)
    for method in result["methods"]:
        value, error = method["derivative"][0], method["error"][0]
        assert abs(value - 0.2) <= 10 * error and error < 1e-6, method
        assert method["evaluations"] >= 1 and method["status"] == "ok", method
    assert result["check"]["passed"]
    gradient = derive(gradatim, "x0^2 + x1^2", "3,4", "--method", "tape")
    assert [m["method"] for m in gradient["methods"]] == ["tape"]
    assert gradient["methods"][0]["derivative"] == [6, 8]
    assert derive(gradatim, "x0^2 + x1^2", "-3,4", "--method", "dual")["methods"][0][
        "derivative"] == [-6, 8]


# Formulas against Python's own arithmetic, and their derivatives by every method.
def check_formulas(gradatim):
    for expression, at, value, slope in [
        ("-x^2", 3, -9, -6),
        ("2^3^2 + 0*x", 1, 512, 0),
        ("2**-x", 2, 0.25, -0.25 * math.log(2)),
        ("(x+1)*(x-1)/2 - -x", 3, 7, 4),
        ("x^-2", -2, 0.25, 0.25),
        ("exp(sin(x))", 1, math.exp(math.sin(1)), math.cos(1) * math.exp(math.sin(1))),
        ("atan2(x, 2)", 1, math.atan2(1, 2), 0.4),
        ("max(x, 0) * log(pi) + e", 2, 2 * math.log(math.pi) + math.e, math.log(math.pi)),
        ("1.5e1*x", 2, 30, 15),
        ("sigmoid(x)", 2, 0.8807970779778823, 0.1049935854035065),
    ]:
        result = derive(gradatim, expression, at)
        assert math.isclose(result["value"], value, rel_tol=1e-15), (expression, result["value"])
        for method in result["methods"]:
            error = abs(method["derivative"][0] - slope)
            assert error <= 10 * method["error"][0] and error < 1e-6, (expression, slope, method)


# In whatever place, though it looks like an option; -h remains one.
def check_formula_with_a_minus(gradatim):
    for expression, slope in [("-x^2", -4), ("-x", -1), ("-hypot(x,0)", -1), ("-2*x", -2)]:
        for arguments in [[expression, "--at", "2"], ["--at", "2", expression, "--json"],
                          ["--json", "--at=2", "--method", "dual", expression],
                          ["--at", "2", "--", expression]]:
            done = run(gradatim, *arguments)
            assert done.returncode == 0 and f"{slope}" in done.stdout, (arguments, done)
    assert derive(gradatim, "-x^2", "-3", "--method", "tape")["methods"][0]["derivative"] == [6]
    assert "-x^2 at -3: -9" in run(gradatim, "-x^2", "--at", "-3").stdout
    for flag in ["-h", "--help"]:
        assert "Differentiate a formula" in run(gradatim, flag).stdout


def check_verdicts(gradatim):
    kink = derive(gradatim, "abs(x)", "0", code=1)
    assert kink["check"]["entries"][0]["verdict"] == "kink"
    # A complex number has a root everywhere; a real one has not, and every method says so.
    for method in derive(gradatim, "sqrt(x)", "-1", code=1)["methods"]:
        assert method["status"] == "non-finite", method
    assert "-nan" not in run(gradatim, "sqrt(x)", "--at=-1").stdout
    assert derive(gradatim, "sqrt(x)", "0", code=1)["check"]["entries"][0]["verdict"] == \
        "both-non-finite"


# One method is judged by its own value, all together by the derivative's.
def check_exit_code_of_one_method(gradatim):
    for method, code in [("dual", 0), ("ridders", 0), ("stencil8", 1), ("richardson", 1), ("all", 0)]:
        result = derive(gradatim, "tan(x)", "1.5707", "--method", method, code=code)
        assert result["check"]["passed"]
    refuted = {m["method"] for m in result["methods"] if m["refuted"]}
    assert "stencil8" in refuted and not refuted & {"dual", "tape", "complex-step", "ridders"}, refuted
    assert "(refuted)" in run(gradatim, "tan(x)", "--at=1.5707", "--method=stencil8").stdout


def check_faults(gradatim):
    for arguments, words in [
        (["sin x", "--at", "0"], ["column 5", "'(' after the function sin", "'x'"]),
        (["1e999*x", "--at", "0"], ["column 1", "range of double", "'1e999'"]),
        (["x1000", "--at", "0"], ["x0 to x999", "'x1000'"]),
        (["\u00e9", "--at", "0"], ["column 1", "'\u00e9'"]),
        (["", "--at", "0"], ["column 1", "the end"]),
        (["max(x,1,2)", "--at", "0"], ["column 8", "')'", "','"]),
        (["1.2.3", "--at", "0"], ["column 4", "'.'"]),
        (["x", "--at", "0", "1"], ["1"]),
        (["x", "--at", "0", "-y"], ["-y"]),
        (["-x", "--att", "0"], ["--at"]),
        (["x"], ["--at"]),
        (["x", "--at", "1", "--plot", "/nonexistent/a.svg"], ["/nonexistent/a.svg"]),
        (["sin(x", "--at", "0"], ["column 6", "expected ')'", "the end"]),
        (["sin(x)+foo", "--at", "0"], ["column 8", "'foo'"]),
        (["x + ", "--at", "0"], ["column 5", "the end"]),
        (["x $ 2", "--at", "0"], ["column 3", "'$'"]),
        (["bar(x)", "--at", "0"], ["column 1", "one of the functions", "'bar'"]),
        (["max(x)", "--at", "0"], ["column 6", "','"]),
        (["(" * 500 + "x" + ")" * 500, "--at", "0"], ["nested"]),
        (["x0*x1", "--at", "1"], ["2 variables", "1 coordinates"]),
        (["x", "--at", "one"], ["--at", "'one'"]),
        (["x", "--at", ""], ["--at", "''"]),
        (["x*y", "--at", "1,,2"], ["--at", "'1,,2'"]),
        (["x*y", "--at", "1,"], ["--at", "'1,'"]),
        (["x", "--at", "++1"], ["--at", "'++1'"]),
        (["x", "--at", "+-1"], ["--at", "'+-1'"]),
        (["x", "--at", "nan"], ["finite", "'nan'"]),
        (["x", "--at", "inf"], ["finite", "'inf'"]),
        (["x", "--at", "1e999"], ["finite", "'1e999'"]),
        (["x", "--at", "1", "--method", "guess"], ["guess"]),
        (["abs(x)", "--at", "1", "--method", "complex-step"], ["analytic"]),
        (["x0+x1+x2", "--at", "1,2,3", "--plot", "a.svg"], ["one or two"]),
        (["x", "--at", "1", "--plot", "a.gif"], [".svg"]),
    ]:
        done = run(gradatim, *arguments)
        assert done.returncode == 2, (arguments, done)
        assert len(done.stderr.splitlines()) == 1, done.stderr
        for word in words:
            assert word in done.stderr, (word, done.stderr)


def check_plots(gradatim):
    with tempfile.TemporaryDirectory() as folder:
        for name, expression, at in [("tangent", "sin(x)", "1"), ("contours", "x^2+y^2", "3,4")]:
            picture = pathlib.Path(folder) / f"{name}.svg"
            derive(gradatim, expression, at, "--plot", str(picture))
            assert "</svg>" in picture.read_text()
        picture = pathlib.Path(folder) / "kink.svg"
        derive(gradatim, "abs(x)", "0", "--plot", str(picture), code=1)
        assert "slope -1 from the left" in picture.read_text()
        assert "slope 1 from the right" in picture.read_text()
        assert "tangent" not in picture.read_text()
        # Next to a pole, and where there would be hundreds of periods in the window of x.
        for expression, at in [("tan(x)", "1.4"), ("sin(x)", "1000")]:
            picture = pathlib.Path(folder) / "window.svg"
            derive(gradatim, expression, at, "--plot", str(picture))
            ticks = [float(t) for t in re.findall(r">\s*(-?[\d.]+)\s*</", picture.read_text())]
            assert ticks and max(ticks) - min(ticks) < 2000, ticks
        picture = pathlib.Path(folder) / "tangent.png"
        derive(gradatim, "sin(x)", "1", "--plot", str(picture))
        assert picture.read_bytes().startswith(b"\x89PNG")


def main():
    gradatim = sys.argv[1]
    check_every_method(gradatim)
    check_formulas(gradatim)
    check_formula_with_a_minus(gradatim)
    check_verdicts(gradatim)
    check_exit_code_of_one_method(gradatim)
    check_faults(gradatim)
    if shutil.which("gnuplot") is None:
        sys.exit(77)  # skipped, after all that needs none
    check_plots(gradatim)


main()
