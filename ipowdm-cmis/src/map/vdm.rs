//! Versatile diagnostics monitoring (20h-2Fh).

use super::table;

table! {
    /// Page 20h: VDM descriptors of group 1.
    page20, 0x20, "OIF-CMIS-05.4, page 20h";
    VDM_THRESHOLD_SET_ID = field("VDM#.ThresholdSetID", 128, U4, Ro).bits(7, 4).array(1, 64, 2);
    VDM_LANE_OR_DATA_PATH = field("VDM#.LaneOrDataPath", 128, U4, Ro).bits(3, 0).array(1, 64, 2);
    VDM_OBSERVABLE_TYPE = field("VDM#.ObservableType", 129, U8, Ro).array(1, 64, 2);
}

table! {
    /// Page 21h: VDM descriptors of group 2.
    page21, 0x21, "OIF-CMIS-05.4, page 21h";
    VDM_THRESHOLD_SET_ID = field("VDM#.ThresholdSetID", 128, U4, Ro).bits(7, 4).array(65, 64, 2);
    VDM_LANE_OR_DATA_PATH = field("VDM#.LaneOrDataPath", 128, U4, Ro).bits(3, 0).array(65, 64, 2);
    VDM_OBSERVABLE_TYPE = field("VDM#.ObservableType", 129, U8, Ro).array(65, 64, 2);
}

table! {
    /// Page 22h: VDM descriptors of group 3.
    page22, 0x22, "OIF-CMIS-05.4, page 22h";
    VDM_THRESHOLD_SET_ID = field("VDM#.ThresholdSetID", 128, U4, Ro).bits(7, 4).array(129, 64, 2);
    VDM_LANE_OR_DATA_PATH = field("VDM#.LaneOrDataPath", 128, U4, Ro).bits(3, 0).array(129, 64, 2);
    VDM_OBSERVABLE_TYPE = field("VDM#.ObservableType", 129, U8, Ro).array(129, 64, 2);
}

table! {
    /// Page 23h: VDM descriptors of group 4.
    page23, 0x23, "OIF-CMIS-05.4, page 23h";
    VDM_THRESHOLD_SET_ID = field("VDM#.ThresholdSetID", 128, U4, Ro).bits(7, 4).array(193, 64, 2);
    VDM_LANE_OR_DATA_PATH = field("VDM#.LaneOrDataPath", 128, U4, Ro).bits(3, 0).array(193, 64, 2);
    VDM_OBSERVABLE_TYPE = field("VDM#.ObservableType", 129, U8, Ro).array(193, 64, 2);
}

table! {
    /// Page 24h: VDM samples of group 1.
    page24, 0x24, "OIF-CMIS-05.4, page 24h";
    VDM_SAMPLE = field("VDM#.Sample", 128, ByObservable, Ro).array(1, 64, 2);
}

table! {
    /// Page 25h: VDM samples of group 2.
    page25, 0x25, "OIF-CMIS-05.4, page 25h";
    VDM_SAMPLE = field("VDM#.Sample", 128, ByObservable, Ro).array(65, 64, 2);
}

table! {
    /// Page 26h: VDM samples of group 3.
    page26, 0x26, "OIF-CMIS-05.4, page 26h";
    VDM_SAMPLE = field("VDM#.Sample", 128, ByObservable, Ro).array(129, 64, 2);
}

table! {
    /// Page 27h: VDM samples of group 4.
    page27, 0x27, "OIF-CMIS-05.4, page 27h";
    VDM_SAMPLE = field("VDM#.Sample", 128, ByObservable, Ro).array(193, 64, 2);
}

table! {
    /// Page 28h: VDM thresholds of group 1.
    page28, 0x28, "OIF-CMIS-05.4, page 28h";
    VDM_GROUP1_THRESHOLD_SET_HIGH_ALARM = field("VDM.Group1.ThresholdSet#.HighAlarm", 128, ByObservable, Ro).array(0, 16, 8);
    VDM_GROUP1_THRESHOLD_SET_LOW_ALARM = field("VDM.Group1.ThresholdSet#.LowAlarm", 130, ByObservable, Ro).array(0, 16, 8);
    VDM_GROUP1_THRESHOLD_SET_HIGH_WARNING = field("VDM.Group1.ThresholdSet#.HighWarning", 132, ByObservable, Ro).array(0, 16, 8);
    VDM_GROUP1_THRESHOLD_SET_LOW_WARNING = field("VDM.Group1.ThresholdSet#.LowWarning", 134, ByObservable, Ro).array(0, 16, 8);
}

table! {
    /// Page 29h: VDM thresholds of group 2.
    page29, 0x29, "OIF-CMIS-05.4, page 29h";
    VDM_GROUP2_THRESHOLD_SET_HIGH_ALARM = field("VDM.Group2.ThresholdSet#.HighAlarm", 128, ByObservable, Ro).array(0, 16, 8);
    VDM_GROUP2_THRESHOLD_SET_LOW_ALARM = field("VDM.Group2.ThresholdSet#.LowAlarm", 130, ByObservable, Ro).array(0, 16, 8);
    VDM_GROUP2_THRESHOLD_SET_HIGH_WARNING = field("VDM.Group2.ThresholdSet#.HighWarning", 132, ByObservable, Ro).array(0, 16, 8);
    VDM_GROUP2_THRESHOLD_SET_LOW_WARNING = field("VDM.Group2.ThresholdSet#.LowWarning", 134, ByObservable, Ro).array(0, 16, 8);
}

table! {
    /// Page 2Ah: VDM thresholds of group 3.
    page2a, 0x2A, "OIF-CMIS-05.4, page 2Ah";
    VDM_GROUP3_THRESHOLD_SET_HIGH_ALARM = field("VDM.Group3.ThresholdSet#.HighAlarm", 128, ByObservable, Ro).array(0, 16, 8);
    VDM_GROUP3_THRESHOLD_SET_LOW_ALARM = field("VDM.Group3.ThresholdSet#.LowAlarm", 130, ByObservable, Ro).array(0, 16, 8);
    VDM_GROUP3_THRESHOLD_SET_HIGH_WARNING = field("VDM.Group3.ThresholdSet#.HighWarning", 132, ByObservable, Ro).array(0, 16, 8);
    VDM_GROUP3_THRESHOLD_SET_LOW_WARNING = field("VDM.Group3.ThresholdSet#.LowWarning", 134, ByObservable, Ro).array(0, 16, 8);
}

table! {
    /// Page 2Bh: VDM thresholds of group 4.
    page2b, 0x2B, "OIF-CMIS-05.4, page 2Bh";
    VDM_GROUP4_THRESHOLD_SET_HIGH_ALARM = field("VDM.Group4.ThresholdSet#.HighAlarm", 128, ByObservable, Ro).array(0, 16, 8);
    VDM_GROUP4_THRESHOLD_SET_LOW_ALARM = field("VDM.Group4.ThresholdSet#.LowAlarm", 130, ByObservable, Ro).array(0, 16, 8);
    VDM_GROUP4_THRESHOLD_SET_HIGH_WARNING = field("VDM.Group4.ThresholdSet#.HighWarning", 132, ByObservable, Ro).array(0, 16, 8);
    VDM_GROUP4_THRESHOLD_SET_LOW_WARNING = field("VDM.Group4.ThresholdSet#.LowWarning", 134, ByObservable, Ro).array(0, 16, 8);
}

table! {
    /// Page 2Ch: VDM flags.
    page2c, 0x2C, "OIF-CMIS-05.4, page 2Ch";
    VDM_FLAGS = field("VDM#.Flags", 128, AlarmNibble, Cor).bits(3, 0).packed(1, 256, 4);
}

table! {
    /// Page 2Dh: VDM masks.
    page2d, 0x2D, "OIF-CMIS-05.4, page 2Dh";
    VDM_MASKS = field("VDM#.Masks", 128, AlarmNibble, Rw).bits(3, 0).packed(1, 256, 4);
}

table! {
    /// Page 2Fh: VDM advertisement and control.
    page2f, 0x2F, "OIF-CMIS-05.4, page 2Fh";
    VDM_DUTY_CYCLE_SUPPORTED = field("VDMDutyCycleSupported", 128, Flag, Ro).bits(3, 3);
    VDM_POWER_SAVING_SUPPORTED = field("VDMPowerSavingSupported", 128, Flag, Ro).bits(2, 2);
    VDM_GROUPS_SUPPORTED = field("VDMGroupsSupported", 128, U2, Ro).bits(1, 0);
    FINE_INTERVAL_LENGTH = field("FineIntervalLength", 129, U16, Ro).scale(1, 10).unit("ms");
    FREEZE_REQUEST = field("FreezeRequest", 144, Flag, Rw).bits(7, 7);
    VDM_POWER_SAVING_MODE = field("VDMPowerSavingMode", 144, Flag, Rw).bits(6, 6);
    VDM_DUTY_CYCLE = field("VDMDutyCycle", 144, U4, Rw).bits(5, 2);
    FREEZE_DONE = field("FreezeDone", 145, Flag, Ro).bits(7, 7);
    UNFREEZE_DONE = field("UnfreezeDone", 145, Flag, Ro).bits(6, 6);
}
