//! Lane and data-path control (10h) and status (11h).

use super::table;

table! {
    /// Page 10h: lane and data-path control.
    page10, 0x10, "OIF-CMIS-05.4, page 10h";
    DP_DEINIT_LANE = field("DPDeinitLane", 128, LaneBitmap, Rw);
    INPUT_POLARITY_FLIP_TX = field("InputPolarityFlipTx", 129, LaneBitmap, Rw);
    OUTPUT_DISABLE_TX = field("OutputDisableTx", 130, LaneBitmap, Rw);
    AUTO_SQUELCH_DISABLE_TX = field("AutoSquelchDisableTx", 131, LaneBitmap, Rw);
    OUTPUT_SQUELCH_FORCE_TX = field("OutputSquelchForceTx", 132, LaneBitmap, Rw);
    ADAPTIVE_INPUT_EQ_FREEZE_TX = field("AdaptiveInputEqFreezeTx", 134, LaneBitmap, Rw);
    ADAPTIVE_INPUT_EQ_STORE_TX = field("AdaptiveInputEqStoreTx", 135, LanePairs, Wo);
    OUTPUT_POLARITY_FLIP_RX = field("OutputPolarityFlipRx", 137, LaneBitmap, Rw);
    OUTPUT_DISABLE_RX = field("OutputDisableRx", 138, LaneBitmap, Rw);
    AUTO_SQUELCH_DISABLE_RX = field("AutoSquelchDisableRx", 139, LaneBitmap, Rw);
    SCS_APPLY_DP_INIT_LANE = field("SCS#::ApplyDPInitLane", 143, LaneBitmap, Wo).array(0, 2, 35);
    SCS_APPLY_IMMEDIATE_LANE = field("SCS#::ApplyImmediateLane", 144, LaneBitmap, Wo).array(0, 2, 35);
    SCS0_DP_CONFIG_LANE_APP_SEL_CODE = field("SCS0::DPConfigLane#.AppSelCode", 145, U4, Rw).bits(7, 4).array(1, 8, 1);
    SCS0_DP_CONFIG_LANE_DATA_PATH_ID = field("SCS0::DPConfigLane#.DataPathID", 145, U3, Rw).bits(3, 1).array(1, 8, 1);
    SCS0_DP_CONFIG_LANE_EXPLICIT_CONTROL = field("SCS0::DPConfigLane#.ExplicitControl", 145, Flag, Rw).bits(0, 0).array(1, 8, 1);
    SCS_ADAPTIVE_INPUT_EQ_ENABLE_TX = field("SCS#::AdaptiveInputEqEnableTx", 153, LaneBitmap, Rw).array(0, 2, 35);
    SCS_ADAPTIVE_INPUT_EQ_RECALL_TX = field("SCS#::AdaptiveInputEqRecallTx", 154, LanePairs, Rw).array(0, 2, 35);
    SCS_FIXED_INPUT_EQ_TARGET_TX = field("SCS#::FixedInputEqTargetTx", 156, LaneNibbles, Rw).array(0, 2, 35);
    SCS_CDR_ENABLE_TX = field("SCS#::CDREnableTx", 160, LaneBitmap, Rw).array(0, 2, 35);
    SCS_CDR_ENABLE_RX = field("SCS#::CDREnableRx", 161, LaneBitmap, Rw).array(0, 2, 35);
    SCS_OUTPUT_EQ_PRE_CURSOR_TARGET_RX = field("SCS#::OutputEqPreCursorTargetRx", 162, LaneNibbles, Rw).array(0, 2, 35);
    SCS_OUTPUT_EQ_POST_CURSOR_TARGET_RX = field("SCS#::OutputEqPostCursorTargetRx", 166, LaneNibbles, Rw).array(0, 2, 35);
    SCS_OUTPUT_AMPLITUDE_TARGET_RX = field("SCS#::OutputAmplitudeTargetRx", 170, LaneNibbles, Rw).array(0, 2, 35);
    SCS_APPLY_IMMEDIATE_TX_LANE = field("SCS#::ApplyImmediateTxLane", 176, LaneBitmap, Wo).array(0, 2, 35);
    SCS_APPLY_IMMEDIATE_RX_LANE = field("SCS#::ApplyImmediateRxLane", 177, LaneBitmap, Wo).array(0, 2, 35);
    SCS1_DP_CONFIG_LANE_APP_SEL_CODE = field("SCS1::DPConfigLane#.AppSelCode", 180, U4, Rw).bits(7, 4).array(1, 8, 1);
    SCS1_DP_CONFIG_LANE_DATA_PATH_ID = field("SCS1::DPConfigLane#.DataPathID", 180, U3, Rw).bits(3, 1).array(1, 8, 1);
    SCS1_DP_CONFIG_LANE_EXPLICIT_CONTROL = field("SCS1::DPConfigLane#.ExplicitControl", 180, Flag, Rw).bits(0, 0).array(1, 8, 1);
    DP_STATE_CHANGED_MASK = field("DPStateChangedMask", 213, LaneBitmap, Rw);
    FAILURE_TX_MASK = field("FailureTxMask", 214, LaneBitmap, Rw);
    LOS_TX_MASK = field("LOSTxMask", 215, LaneBitmap, Rw);
    CDRLOL_TX_MASK = field("CDRLOLTxMask", 216, LaneBitmap, Rw);
    ADAPTIVE_INPUT_EQ_FAIL_TX_MASK = field("AdaptiveInputEqFailTxMask", 217, LaneBitmap, Rw);
    OPTICAL_POWER_HIGH_ALARM_TX_MASK = field("OpticalPowerHighAlarmTxMask", 218, LaneBitmap, Rw);
    OPTICAL_POWER_LOW_ALARM_TX_MASK = field("OpticalPowerLowAlarmTxMask", 219, LaneBitmap, Rw);
    OPTICAL_POWER_HIGH_WARNING_TX_MASK = field("OpticalPowerHighWarningTxMask", 220, LaneBitmap, Rw);
    OPTICAL_POWER_LOW_WARNING_TX_MASK = field("OpticalPowerLowWarningTxMask", 221, LaneBitmap, Rw);
    LASER_BIAS_HIGH_ALARM_TX_MASK = field("LaserBiasHighAlarmTxMask", 222, LaneBitmap, Rw);
    LASER_BIAS_LOW_ALARM_TX_MASK = field("LaserBiasLowAlarmTxMask", 223, LaneBitmap, Rw);
    LASER_BIAS_HIGH_WARNING_TX_MASK = field("LaserBiasHighWarningTxMask", 224, LaneBitmap, Rw);
    LASER_BIAS_LOW_WARNING_TX_MASK = field("LaserBiasLowWarningTxMask", 225, LaneBitmap, Rw);
    LOS_RX_MASK = field("LOSRxMask", 226, LaneBitmap, Rw);
    CDRLOL_RX_MASK = field("CDRLOLRxMask", 227, LaneBitmap, Rw);
    OPTICAL_POWER_HIGH_ALARM_RX_MASK = field("OpticalPowerHighAlarmRxMask", 228, LaneBitmap, Rw);
    OPTICAL_POWER_LOW_ALARM_RX_MASK = field("OpticalPowerLowAlarmRxMask", 229, LaneBitmap, Rw);
    OPTICAL_POWER_HIGH_WARNING_RX_MASK = field("OpticalPowerHighWarningRxMask", 230, LaneBitmap, Rw);
    OPTICAL_POWER_LOW_WARNING_RX_MASK = field("OpticalPowerLowWarningRxMask", 231, LaneBitmap, Rw);
    OUTPUT_STATUS_CHANGED_RX_MASK = field("OutputStatusChangedRxMask", 232, LaneBitmap, Rw);
}

table! {
    /// Page 11h: lane and data-path status.
    page11, 0x11, "OIF-CMIS-05.4, page 11h";
    DP_STATE_HOST_LANE = field("DPStateHostLane#", 128, Enum, Ro).bits(3, 0).packed(1, 8, 4).names(names::DATA_PATH_STATES);
    OUTPUT_STATUS_RX = field("OutputStatusRx", 132, LaneBitmap, Ro);
    OUTPUT_STATUS_TX = field("OutputStatusTx", 133, LaneBitmap, Ro);
    DP_STATE_CHANGED_FLAG = field("DPStateChangedFlag", 134, LaneBitmap, Cor);
    FAILURE_TX_FLAG = field("FailureTxFlag", 135, LaneBitmap, Cor);
    LOS_TX_FLAG = field("LOSTxFlag", 136, LaneBitmap, Cor);
    CDRLOL_TX_FLAG = field("CDRLOLTxFlag", 137, LaneBitmap, Cor);
    ADAPTIVE_INPUT_EQ_FAIL_TX_FLAG = field("AdaptiveInputEqFailTxFlag", 138, LaneBitmap, Cor);
    OPTICAL_POWER_HIGH_ALARM_TX_FLAG = field("OpticalPowerHighAlarmTxFlag", 139, LaneBitmap, Cor);
    OPTICAL_POWER_LOW_ALARM_TX_FLAG = field("OpticalPowerLowAlarmTxFlag", 140, LaneBitmap, Cor);
    OPTICAL_POWER_HIGH_WARNING_TX_FLAG = field("OpticalPowerHighWarningTxFlag", 141, LaneBitmap, Cor);
    OPTICAL_POWER_LOW_WARNING_TX_FLAG = field("OpticalPowerLowWarningTxFlag", 142, LaneBitmap, Cor);
    LASER_BIAS_HIGH_ALARM_TX_FLAG = field("LaserBiasHighAlarmTxFlag", 143, LaneBitmap, Cor);
    LASER_BIAS_LOW_ALARM_TX_FLAG = field("LaserBiasLowAlarmTxFlag", 144, LaneBitmap, Cor);
    LASER_BIAS_HIGH_WARNING_TX_FLAG = field("LaserBiasHighWarningTxFlag", 145, LaneBitmap, Cor);
    LASER_BIAS_LOW_WARNING_TX_FLAG = field("LaserBiasLowWarningTxFlag", 146, LaneBitmap, Cor);
    LOS_RX_FLAG = field("LOSRxFlag", 147, LaneBitmap, Cor);
    CDRLOL_RX_FLAG = field("CDRLOLRxFlag", 148, LaneBitmap, Cor);
    OPTICAL_POWER_HIGH_ALARM_RX_FLAG = field("OpticalPowerHighAlarmRxFlag", 149, LaneBitmap, Cor);
    OPTICAL_POWER_LOW_ALARM_RX_FLAG = field("OpticalPowerLowAlarmRxFlag", 150, LaneBitmap, Cor);
    OPTICAL_POWER_HIGH_WARNING_RX_FLAG = field("OpticalPowerHighWarningRxFlag", 151, LaneBitmap, Cor);
    OPTICAL_POWER_LOW_WARNING_RX_FLAG = field("OpticalPowerLowWarningRxFlag", 152, LaneBitmap, Cor);
    OUTPUT_STATUS_CHANGED_RX_FLAG = field("OutputStatusChangedRxFlag", 153, LaneBitmap, Cor);
    OPTICAL_POWER_TX = field("OpticalPowerTx#", 154, U16, Ro).array(1, 8, 2).scale(1, 10).unit("uW");
    LASER_BIAS_TX = field("LaserBiasTx#", 170, U16, Ro).array(1, 8, 2).scale(2, 1).unit("uA * factor");
    OPTICAL_POWER_RX = field("OpticalPowerRx#", 186, U16, Ro).array(1, 8, 2).scale(1, 10).unit("uW");
    CONFIG_STATUS_LANE = field("ConfigStatusLane#", 202, Enum, Ro).bits(3, 0).packed(1, 8, 4).names(names::CONFIG_STATUS);
    ACS_DP_CONFIG_LANE_APP_SEL_CODE = field("ACS::DPConfigLane#.AppSelCode", 206, U4, Ro).bits(7, 4).array(1, 8, 1);
    ACS_DP_CONFIG_LANE_DATA_PATH_ID = field("ACS::DPConfigLane#.DataPathID", 206, U3, Ro).bits(3, 1).array(1, 8, 1);
    ACS_DP_CONFIG_LANE_EXPLICIT_CONTROL = field("ACS::DPConfigLane#.ExplicitControl", 206, Flag, Ro).bits(0, 0).array(1, 8, 1);
    ACS_ADAPTIVE_INPUT_EQ_ENABLE_TX = field("ACS::AdaptiveInputEqEnableTx", 214, LaneBitmap, Ro);
    ACS_ADAPTIVE_INPUT_EQ_RECALL_TX = field("ACS::AdaptiveInputEqRecallTx", 215, LanePairs, Ro);
    ACS_FIXED_INPUT_EQ_TARGET_TX = field("ACS::FixedInputEqTargetTx", 217, LaneNibbles, Ro);
    ACS_CDR_ENABLE_TX = field("ACS::CDREnableTx", 221, LaneBitmap, Ro);
    ACS_CDR_ENABLE_RX = field("ACS::CDREnableRx", 222, LaneBitmap, Ro);
    ACS_OUTPUT_EQ_PRE_CURSOR_TARGET_RX = field("ACS::OutputEqPreCursorTargetRx", 223, LaneNibbles, Ro);
    ACS_OUTPUT_EQ_POST_CURSOR_TARGET_RX = field("ACS::OutputEqPostCursorTargetRx", 227, LaneNibbles, Ro);
    ACS_OUTPUT_AMPLITUDE_TARGET_RX = field("ACS::OutputAmplitudeTargetRx", 231, LaneNibbles, Ro);
    DP_INIT_PENDING_LANE = field("DPInitPendingLane", 235, LaneBitmap, Ro);
    MEDIA_LANE_MAPPING_TX = field("MediaLaneMappingTx#", 240, U8, Ro).array(1, 8, 1);
    MEDIA_LANE_MAPPING_RX = field("MediaLaneMappingRx#", 248, U8, Ro).array(1, 8, 1);
}
