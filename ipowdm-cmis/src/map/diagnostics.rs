//! Diagnostics: loopbacks and patterns (13h), measurements (14h).

use super::table;

table! {
    /// Page 13h: diagnostics control.
    page13, 0x13, "OIF-CMIS-05.4, page 13h";
    SIMULTANEOUS_HOST_AND_MEDIA_LOOPBACK_SUPPORTED = field("SimultaneousHostAndMediaLoopbackSupported", 128, Flag, Ro).bits(6, 6);
    PER_LANE_MEDIA_LOOPBACK_SUPPORTED = field("PerLaneMediaLoopbackSupported", 128, Flag, Ro).bits(5, 5);
    PER_LANE_HOST_LOOPBACK_SUPPORTED = field("PerLaneHostLoopbackSupported", 128, Flag, Ro).bits(4, 4);
    HOST_SIDE_INPUT_LOOPBACK_SUPPORTED = field("HostSideInputLoopbackSupported", 128, Flag, Ro).bits(3, 3);
    HOST_SIDE_OUTPUT_LOOPBACK_SUPPORTED = field("HostSideOutputLoopbackSupported", 128, Flag, Ro).bits(2, 2);
    MEDIA_SIDE_INPUT_LOOPBACK_SUPPORTED = field("MediaSideInputLoopbackSupported", 128, Flag, Ro).bits(1, 1);
    MEDIA_SIDE_OUTPUT_LOOPBACK_SUPPORTED = field("MediaSideOutputLoopbackSupported", 128, Flag, Ro).bits(0, 0);
    DIAGNOSTIC_MEASUREMENT_CAPABILITIES = field("DiagnosticMeasurementCapabilities", 129, Bitmap8, Ro);
    DIAGNOSTIC_REPORTING_CAPABILITIES = field("DiagnosticReportingCapabilities", 130, Bitmap8, Ro);
    PATTERN_GENERATOR_CHECKER_LOCATION = field("PatternGeneratorCheckerLocation", 131, Bitmap8, Ro);
    HOST_GENERATOR_PATTERNS_SUPPORTED = field("HostGeneratorPatternsSupported", 132, BitmapLe16, Ro);
    MEDIA_GENERATOR_PATTERNS_SUPPORTED = field("MediaGeneratorPatternsSupported", 134, BitmapLe16, Ro);
    HOST_CHECKER_PATTERNS_SUPPORTED = field("HostCheckerPatternsSupported", 136, BitmapLe16, Ro);
    MEDIA_CHECKER_PATTERNS_SUPPORTED = field("MediaCheckerPatternsSupported", 138, BitmapLe16, Ro);
    HOST_GENERATOR_CONTROL = field("HostGeneratorControl", 144, Bytes, Rw).len(8);
    MEDIA_GENERATOR_CONTROL = field("MediaGeneratorControl", 152, Bytes, Rw).len(8);
    HOST_CHECKER_CONTROL = field("HostCheckerControl", 160, Bytes, Rw).len(8);
    MEDIA_CHECKER_CONTROL = field("MediaCheckerControl", 168, Bytes, Rw).len(8);
    PATTERN_GENERATOR_CLOCK_SOURCE = field("PatternGeneratorClockSource", 176, U8, Rw);
    MEASUREMENT_CONTROL = field("MeasurementControl", 177, Bitmap8, Rw);
    MEDIA_SIDE_OUTPUT_LOOPBACK_ENABLE = field("MediaSideOutputLoopbackEnable", 180, LaneBitmap, Rw);
    MEDIA_SIDE_INPUT_LOOPBACK_ENABLE = field("MediaSideInputLoopbackEnable", 181, LaneBitmap, Rw);
    HOST_SIDE_OUTPUT_LOOPBACK_ENABLE = field("HostSideOutputLoopbackEnable", 182, LaneBitmap, Rw);
    HOST_SIDE_INPUT_LOOPBACK_ENABLE = field("HostSideInputLoopbackEnable", 183, LaneBitmap, Rw);
    HOST_SCRATCHPAD = field("HostScratchpad", 184, Bytes, Rw).len(8);
    DIAGNOSTICS_MASKS = field("DiagnosticsMasks", 206, Bytes, Rw).len(8);
    USER_PATTERN = field("UserPattern", 224, Bytes, Rw).len(32);
}

table! {
    /// Page 14h: diagnostics measurements.
    page14, 0x14, "OIF-CMIS-05.4, page 14h";
    DIAGNOSTICS_SELECTOR = field("DiagnosticsSelector", 128, Enum, Rw).names(names::DIAGNOSTICS_SELECTORS);
    DIAGNOSTICS_FLAGS = field("DiagnosticsFlags", 132, Bytes, Cor).len(8);
    DIAGNOSTICS_DATA = field("DiagnosticsData", 192, BySelector, Ro).len(64);
}
