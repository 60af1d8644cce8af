//! Tunable laser: capabilities (04h), control and status (12h).

use super::table;

table! {
    /// Page 04h: laser capabilities.
    page04, 0x04, "OIF-CMIS-05.4, page 04h";
    GRID75GHZ_SUPPORTED = field("Grid75GHzSupported", 128, Flag, Ro).bits(7, 7);
    GRID33GHZ_SUPPORTED = field("Grid33GHzSupported", 128, Flag, Ro).bits(6, 6);
    GRID100GHZ_SUPPORTED = field("Grid100GHzSupported", 128, Flag, Ro).bits(5, 5);
    GRID50GHZ_SUPPORTED = field("Grid50GHzSupported", 128, Flag, Ro).bits(4, 4);
    GRID25GHZ_SUPPORTED = field("Grid25GHzSupported", 128, Flag, Ro).bits(3, 3);
    GRID12P5GHZ_SUPPORTED = field("Grid12p5GHzSupported", 128, Flag, Ro).bits(2, 2);
    GRID6P25GHZ_SUPPORTED = field("Grid6p25GHzSupported", 128, Flag, Ro).bits(1, 1);
    GRID3P125GHZ_SUPPORTED = field("Grid3p125GHzSupported", 128, Flag, Ro).bits(0, 0);
    FINE_TUNING_SUPPORTED = field("FineTuningSupported", 129, Flag, Ro).bits(7, 7);
    GRID150GHZ_SUPPORTED = field("Grid150GHzSupported", 129, Flag, Ro).bits(6, 6);
    GRID300GHZ_SUPPORTED = field("Grid300GHzSupported", 129, Flag, Ro).bits(5, 5);
    LOW_CHANNEL3P125GHZ = field("LowChannel3p125GHz", 130, S16, Ro).unit("channel");
    HIGH_CHANNEL3P125GHZ = field("HighChannel3p125GHz", 132, S16, Ro).unit("channel");
    LOW_CHANNEL6P25GHZ = field("LowChannel6p25GHz", 134, S16, Ro).unit("channel");
    HIGH_CHANNEL6P25GHZ = field("HighChannel6p25GHz", 136, S16, Ro).unit("channel");
    LOW_CHANNEL12P5GHZ = field("LowChannel12p5GHz", 138, S16, Ro).unit("channel");
    HIGH_CHANNEL12P5GHZ = field("HighChannel12p5GHz", 140, S16, Ro).unit("channel");
    LOW_CHANNEL25GHZ = field("LowChannel25GHz", 142, S16, Ro).unit("channel");
    HIGH_CHANNEL25GHZ = field("HighChannel25GHz", 144, S16, Ro).unit("channel");
    LOW_CHANNEL50GHZ = field("LowChannel50GHz", 146, S16, Ro).unit("channel");
    HIGH_CHANNEL50GHZ = field("HighChannel50GHz", 148, S16, Ro).unit("channel");
    LOW_CHANNEL100GHZ = field("LowChannel100GHz", 150, S16, Ro).unit("channel");
    HIGH_CHANNEL100GHZ = field("HighChannel100GHz", 152, S16, Ro).unit("channel");
    LOW_CHANNEL33GHZ = field("LowChannel33GHz", 154, S16, Ro).unit("channel");
    HIGH_CHANNEL33GHZ = field("HighChannel33GHz", 156, S16, Ro).unit("channel");
    LOW_CHANNEL75GHZ = field("LowChannel75GHz", 158, S16, Ro).unit("channel");
    HIGH_CHANNEL75GHZ = field("HighChannel75GHz", 160, S16, Ro).unit("channel");
    LOW_CHANNEL150GHZ = field("LowChannel150GHz", 162, S16, Ro).unit("channel");
    HIGH_CHANNEL150GHZ = field("HighChannel150GHz", 164, S16, Ro).unit("channel");
    LOW_CHANNEL300GHZ = field("LowChannel300GHz", 166, S16, Ro).unit("channel");
    HIGH_CHANNEL300GHZ = field("HighChannel300GHz", 168, S16, Ro).unit("channel");
    FINE_TUNING_RESOLUTION = field("FineTuningResolution", 190, U16, Ro).scale(1, 1000).unit("GHz");
    FINE_TUNING_LOW_OFFSET = field("FineTuningLowOffset", 192, S16, Ro).scale(1, 1000).unit("GHz");
    FINE_TUNING_HIGH_OFFSET = field("FineTuningHighOffset", 194, S16, Ro).scale(1, 1000).unit("GHz");
    PROG_OUTPUT_POWER_PER_LANE_SUPPORTED = field("ProgOutputPowerPerLaneSupported", 196, Flag, Ro).bits(7, 7);
    RELATIVE_THRESHOLDS_SUPPORTED = field("RelativeThresholdsSupported", 196, Flag, Ro).bits(6, 6);
    MIN_PROG_OUTPUT_POWER = field("MinProgOutputPower", 198, S16, Ro).scale(1, 100).unit("dBm");
    MAX_PROG_OUTPUT_POWER = field("MaxProgOutputPower", 200, S16, Ro).scale(1, 100).unit("dBm");
    PAGE04_CHECKSUM = field("Page04Checksum", 255, U8, Ro);
}

table! {
    /// Page 12h: laser control and status.
    page12, 0x12, "OIF-CMIS-05.4, page 12h";
    GRID_SPACING_TX = field("GridSpacingTx#", 128, Enum, Rw).bits(7, 4).array(1, 8, 1).unit("GHz").names(names::GRIDS);
    RELATIVE_THRESHOLDS_ENABLE_TX = field("RelativeThresholdsEnableTx#", 128, Flag, Rw).bits(1, 1).array(1, 8, 1);
    FINE_TUNING_ENABLE_TX = field("FineTuningEnableTx#", 128, Flag, Rw).bits(0, 0).array(1, 8, 1);
    CHANNEL_NUMBER_TX = field("ChannelNumberTx#", 136, S16, Rw).array(1, 8, 2).unit("channel");
    FINE_TUNING_OFFSET_TX = field("FineTuningOffsetTx#", 152, S16, Rw).array(1, 8, 2).scale(1, 1000).unit("GHz");
    CURRENT_LASER_FREQUENCY_TX = field("CurrentLaserFrequencyTx#", 168, U32, Ro).array(1, 8, 4).scale(1, 1000).unit("GHz");
    TARGET_OUTPUT_POWER_TX = field("TargetOutputPowerTx#", 200, S16, Rw).array(1, 8, 2).scale(1, 100).unit("dBm");
    OUTPUT_POWER_TX_HI_ALARM_REL_THR = field("OutputPowerTxHiAlarmRelThr", 216, U4, Rw).bits(7, 4).scale(1, 2).unit("dB");
    OUTPUT_POWER_TX_HI_WARN_REL_THR = field("OutputPowerTxHiWarnRelThr", 216, U4, Rw).bits(3, 0).scale(1, 2).unit("dB");
    OUTPUT_POWER_TX_LO_ALARM_REL_THR = field("OutputPowerTxLoAlarmRelThr", 217, U4, Rw).bits(7, 4).scale(1, 2).unit("dB");
    OUTPUT_POWER_TX_LO_WARN_REL_THR = field("OutputPowerTxLoWarnRelThr", 217, U4, Rw).bits(3, 0).scale(1, 2).unit("dB");
    TUNING_IN_PROGRESS_TX = field("TuningInProgressTx#", 222, Flag, Ro).bits(1, 1).array(1, 8, 1);
    WAVELENGTH_UNLOCKED_STATUS_TX = field("WavelengthUnlockedStatusTx#", 222, Flag, Ro).bits(0, 0).array(1, 8, 1);
    LASER_TUNING_FLAG_SUMMARY_TX = field("LaserTuningFlagSummaryTx", 230, LaneBitmap, Ro);
    TARGET_OUTPUT_POWER_OOR_FLAG_TX = field("TargetOutputPowerOORFlagTx#", 231, Flag, Cor).bits(5, 5).array(1, 8, 1);
    FINE_TUNING_OUT_OF_RANGE_FLAG_TX = field("FineTuningOutOfRangeFlagTx#", 231, Flag, Cor).bits(4, 4).array(1, 8, 1);
    TUNING_NOT_ACCEPTED_FLAG_TX = field("TuningNotAcceptedFlagTx#", 231, Flag, Cor).bits(3, 3).array(1, 8, 1);
    INVALID_CHANNEL_NUMBER_FLAG_TX = field("InvalidChannelNumberFlagTx#", 231, Flag, Cor).bits(2, 2).array(1, 8, 1);
    WAVELENGTH_UNLOCKED_FLAG_TX = field("WavelengthUnlockedFlagTx#", 231, Flag, Cor).bits(1, 1).array(1, 8, 1);
    TUNING_COMPLETE_FLAG_TX = field("TuningCompleteFlagTx#", 231, Flag, Cor).bits(0, 0).array(1, 8, 1);
    TARGET_OUTPUT_POWER_OOR_MASK_TX = field("TargetOutputPowerOORMaskTx#", 239, Flag, Rw).bits(5, 5).array(1, 8, 1);
    FINE_TUNING_OUT_OF_RANGE_MASK_TX = field("FineTuningOutOfRangeMaskTx#", 239, Flag, Rw).bits(4, 4).array(1, 8, 1);
    TUNING_NOT_ACCEPTED_MASK_TX = field("TuningNotAcceptedMaskTx#", 239, Flag, Rw).bits(3, 3).array(1, 8, 1);
    INVALID_CHANNEL_NUMBER_MASK_TX = field("InvalidChannelNumberMaskTx#", 239, Flag, Rw).bits(2, 2).array(1, 8, 1);
    WAVELENGTH_UNLOCKED_MASK_TX = field("WavelengthUnlockedMaskTx#", 239, Flag, Rw).bits(1, 1).array(1, 8, 1);
    TUNING_COMPLETE_MASK_TX = field("TuningCompleteMaskTx#", 239, Flag, Rw).bits(0, 0).array(1, 8, 1);
}
