"""What a run will do or did, in a few lines for people to read."""

from __future__ import annotations

from typing import Any

from s2_superres.choices import NO_NETWORK, Values
from s2_superres.cli.progress import duration
from s2_superres.inference.cost import Estimate, memory_limit
from s2_superres.inference.outputs import uncompressed_bytes
from s2_superres.inference.plan import Prepared
from s2_superres.inference.results import Summary

_NUMBERS = {
    Values.DN: "",
    Values.HARMONISED: ", digital numbers without offset",
    Values.REFLECTANCE: ", reflectance",
}


def plan_text(run: Prepared, cost: Estimate) -> str:
    """Return what ``predict --dry-run`` prints."""
    return "\n".join(
        [
            *_what(run.to_dict()),
            f"size      up to {uncompressed_bytes(run) / 1e6:.4g} MB, uncompressed",
            memory_text(cost.memory),
            f"time      about {duration(cost.seconds)} (from one window, timed on this machine)",
        ]
    )


def memory_text(nbytes: int, jobs: int = 1) -> str:
    """Return the line of a plan on memory, with what to do where the machine has less."""
    line = f"memory    about {nbytes / 2**30:.1f} GiB"
    if jobs > 1:
        line += f", {jobs} at a time"
    limit = memory_limit()
    if not 0 < limit < nbytes:
        return line
    cure = "fewer --jobs or a smaller --tile" if jobs > 1 else "a smaller --tile"
    return f"{line}; here are {limit / 2**30:.1f} GiB: take {cure}"


def plan_dict(run: Prepared, cost: Estimate) -> dict[str, Any]:
    """Return what ``predict --dry-run --json`` prints."""
    return {
        **run.to_dict(),
        "estimated_seconds": round(cost.seconds, 1),
        "estimated_memory_bytes": cost.memory,
        "available_memory_bytes": memory_limit(),
        "uncompressed_bytes": uncompressed_bytes(run),
    }


def summary_text(summary: Summary) -> str:
    """Return what ``predict`` prints when it is done."""
    lines = [f"output    {summary.output}"]
    if summary.item:
        lines.append(f"item      {summary.item}")
    lines += _what(summary.plan)
    rate = summary.pixels / summary.seconds / 1e6
    lines.append(f"time      {duration(summary.seconds)}, {rate:.2f} Mpixel/s")
    if summary.valid_share < 1:
        lines.append(f"no data   {1 - summary.valid_share:.2%} of the area")
    if summary.agreement:
        lines.append("")
        lines.append("Output brought back to the measured resolution, RMS difference in DN:")
        consistent = summary.plan["consistent"]
        for name, value in summary.agreement.items():
            other = f"   ({value.rms_without_projection:.2f} without projection)"
            lines.append(f"  {name}  {value.rms:8.2f}{other if consistent else ''}")
    return "\n".join(lines)


def _what(plan: dict[str, Any]) -> list[str]:
    left, bottom, right, top = plan["bounds"]
    rows, cols = plan["window_shape"]
    networks = ", ".join(
        f"{_name(network)} for {network['resolution']} m" for network in plan["networks"]
    )
    return [
        f"product   {plan['product']} ({plan['level']}, baseline {plan['baseline']})",
        (
            f"area      {plan['rows']} x {plan['cols']} pixels of 10 m, "
            f"{left:.10g} {bottom:.10g} {right:.10g} {top:.10g} in {plan['crs']}"
        ),
        f"bands     {' '.join(plan['bands'])}{_NUMBERS[plan['values']]}",
        f"network   {networks}, {plan['precision']}",
        f"windows   {plan['windows']} of {rows} x {cols}",
    ]


def _name(network: dict[str, Any]) -> str:
    if network["weights"] == NO_NETWORK:
        return "none, local regression"
    return f"{network['family']} ({network['weights']})"
