"""The compliance service on this computer, so that everything can be tried, and tested, without an account."""

try:
    from compliance_frames.emulator.fates import Fates
    from compliance_frames.emulator.faults import Fault, Faults
    from compliance_frames.emulator.server import Answered, Emulator
except ModuleNotFoundError as error:
    if error.name not in ("starlette", "uvicorn", "h11", "anyio"):
        raise
    raise ModuleNotFoundError(
        f"the emulator needs {error.name}, which is not installed: pip install 'compliance-frames[emulator]'",
        name=error.name,
    ) from None

__all__ = ["Answered", "Emulator", "Fates", "Fault", "Faults"]
