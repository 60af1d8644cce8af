//! Coherent pages of C-CMIS (30h-4Fh).

use super::table;

table! {
    /// Page 30h: configurable thresholds.
    page30, 0x30, "C-CMIS 1.x, page 30h";
    RX_TOTAL_POWER_HIGH_ALARM_CFG = field("RxTotalPowerHighAlarmCfg", 128, S16, Rw).scale(1, 100).unit("dBm").secondary();
    RX_TOTAL_POWER_LOW_ALARM_CFG = field("RxTotalPowerLowAlarmCfg", 130, S16, Rw).scale(1, 100).unit("dBm").secondary();
    RX_TOTAL_POWER_HIGH_WARNING_CFG = field("RxTotalPowerHighWarningCfg", 132, S16, Rw).scale(1, 100).unit("dBm").secondary();
    RX_TOTAL_POWER_LOW_WARNING_CFG = field("RxTotalPowerLowWarningCfg", 134, S16, Rw).scale(1, 100).unit("dBm").secondary();
    RX_SIGNAL_POWER_HIGH_ALARM_CFG = field("RxSignalPowerHighAlarmCfg", 136, S16, Rw).scale(1, 100).unit("dBm").secondary();
    RX_SIGNAL_POWER_LOW_ALARM_CFG = field("RxSignalPowerLowAlarmCfg", 138, S16, Rw).scale(1, 100).unit("dBm").secondary();
    RX_SIGNAL_POWER_HIGH_WARNING_CFG = field("RxSignalPowerHighWarningCfg", 140, S16, Rw).scale(1, 100).unit("dBm").secondary();
    RX_SIGNAL_POWER_LOW_WARNING_CFG = field("RxSignalPowerLowWarningCfg", 142, S16, Rw).scale(1, 100).unit("dBm").secondary();
    USE_CONFIGURED_RX_TOTAL_POWER_THR = field("UseConfiguredRxTotalPowerThr", 144, Flag, Rw).bits(1, 1).secondary();
    USE_CONFIGURED_RX_SIGNAL_POWER_THR = field("UseConfiguredRxSignalPowerThr", 144, Flag, Rw).bits(0, 0).secondary();
    MEDIA_FDD_RAISE_THRESHOLD = field("MediaFDDRaiseThreshold", 160, F16, Rw).unit("BER").secondary();
    MEDIA_FDD_CLEAR_THRESHOLD = field("MediaFDDClearThreshold", 162, F16, Rw).unit("BER").secondary();
    MEDIA_FED_RAISE_THRESHOLD = field("MediaFEDRaiseThreshold", 164, F16, Rw).unit("BER").secondary();
    MEDIA_FED_CLEAR_THRESHOLD = field("MediaFEDClearThreshold", 166, F16, Rw).unit("BER").secondary();
    MEDIA_FED_ENABLE = field("MediaFEDEnable", 168, Flag, Rw).bits(1, 1).secondary();
    MEDIA_FDD_ENABLE = field("MediaFDDEnable", 168, Flag, Rw).bits(0, 0).secondary();
}

table! {
    /// Page 31h: provisioning.
    page31, 0x31, "C-CMIS 1.x, page 31h";
    TX_FILTER_ENABLE = field("TxFilterEnable", 128, LaneBitmap, Rw).secondary();
    TX_FILTER_TYPE = field("TxFilterType", 129, LanePairs, Rw).secondary();
    LF_INSERTION_ON_LD_ENABLE = field("LFInsertionOnLDEnable", 132, LaneBitmap, Rw).secondary();
}

table! {
    /// Page 32h: media alarm masks.
    page32, 0x32, "C-CMIS 1.x, page 32h";
    TX_LOSS_OF_ALIGNMENT_MASK = field("TxLossOfAlignmentMask", 128, Flag, Rw).bits(5, 5).secondary();
    TX_OUT_OF_ALIGNMENT_MASK = field("TxOutOfAlignmentMask", 128, Flag, Rw).bits(4, 4).secondary();
    TX_CMU_LOSS_OF_LOCK_MASK = field("TxCMULossOfLockMask", 128, Flag, Rw).bits(3, 3).secondary();
    TX_REF_CLK_LOSS_OF_LOCK_MASK = field("TxRefClkLossOfLockMask", 128, Flag, Rw).bits(2, 2).secondary();
    TX_DESKEW_LOSS_OF_LOCK_MASK = field("TxDeskewLossOfLockMask", 128, Flag, Rw).bits(1, 1).secondary();
    TX_FIFO_ERROR_MASK = field("TxFIFOErrorMask", 128, Flag, Rw).bits(0, 0).secondary();
    RX_LOSS_OF_FRAME_MASK = field("RxLossOfFrameMask", 130, Flag, Rw).bits(7, 7).secondary();
    RX_LOSS_OF_MULTIFRAME_MASK = field("RxLossOfMultiframeMask", 130, Flag, Rw).bits(6, 6).secondary();
    RX_DEMOD_LOSS_OF_LOCK_MASK = field("RxDemodLossOfLockMask", 130, Flag, Rw).bits(5, 5).secondary();
    RX_CD_COMP_LOSS_OF_LOCK_MASK = field("RxCDCompLossOfLockMask", 130, Flag, Rw).bits(4, 4).secondary();
    RX_LOSS_OF_ALIGNMENT_MASK = field("RxLossOfAlignmentMask", 130, Flag, Rw).bits(3, 3).secondary();
    RX_OUT_OF_ALIGNMENT_MASK = field("RxOutOfAlignmentMask", 130, Flag, Rw).bits(2, 2).secondary();
    RX_DESKEW_LOSS_OF_LOCK_MASK = field("RxDeskewLossOfLockMask", 130, Flag, Rw).bits(1, 1).secondary();
    RX_FIFO_ERROR_MASK = field("RxFIFOErrorMask", 130, Flag, Rw).bits(0, 0).secondary();
    FEC_EXCESSIVE_DEGRADE_MASK = field("FECExcessiveDegradeMask", 131, Flag, Rw).bits(1, 1).secondary();
    FEC_DETECTED_DEGRADE_MASK = field("FECDetectedDegradeMask", 131, Flag, Rw).bits(0, 0).secondary();
    REMOTE_DEGRADE_MASK = field("RemoteDegradeMask", 132, Flag, Rw).bits(2, 2).secondary();
    LOCAL_DEGRADE_MASK = field("LocalDegradeMask", 132, Flag, Rw).bits(1, 1).secondary();
    REMOTE_PHY_FAULT_MASK = field("RemotePhyFaultMask", 132, Flag, Rw).bits(0, 0).secondary();
}

table! {
    /// Page 33h: media alarm flags.
    page33, 0x33, "C-CMIS 1.x, page 33h";
    TX_LOSS_OF_ALIGNMENT_FLAG = field("TxLossOfAlignmentFlag", 128, Flag, Cor).bits(5, 5).secondary();
    TX_OUT_OF_ALIGNMENT_FLAG = field("TxOutOfAlignmentFlag", 128, Flag, Cor).bits(4, 4).secondary();
    TX_CMU_LOSS_OF_LOCK_FLAG = field("TxCMULossOfLockFlag", 128, Flag, Cor).bits(3, 3).secondary();
    TX_REF_CLK_LOSS_OF_LOCK_FLAG = field("TxRefClkLossOfLockFlag", 128, Flag, Cor).bits(2, 2).secondary();
    TX_DESKEW_LOSS_OF_LOCK_FLAG = field("TxDeskewLossOfLockFlag", 128, Flag, Cor).bits(1, 1).secondary();
    TX_FIFO_ERROR_FLAG = field("TxFIFOErrorFlag", 128, Flag, Cor).bits(0, 0).secondary();
    RX_LOSS_OF_FRAME_FLAG = field("RxLossOfFrameFlag", 130, Flag, Cor).bits(7, 7).secondary();
    RX_LOSS_OF_MULTIFRAME_FLAG = field("RxLossOfMultiframeFlag", 130, Flag, Cor).bits(6, 6).secondary();
    RX_DEMOD_LOSS_OF_LOCK_FLAG = field("RxDemodLossOfLockFlag", 130, Flag, Cor).bits(5, 5).secondary();
    RX_CD_COMP_LOSS_OF_LOCK_FLAG = field("RxCDCompLossOfLockFlag", 130, Flag, Cor).bits(4, 4).secondary();
    RX_LOSS_OF_ALIGNMENT_FLAG = field("RxLossOfAlignmentFlag", 130, Flag, Cor).bits(3, 3).secondary();
    RX_OUT_OF_ALIGNMENT_FLAG = field("RxOutOfAlignmentFlag", 130, Flag, Cor).bits(2, 2).secondary();
    RX_DESKEW_LOSS_OF_LOCK_FLAG = field("RxDeskewLossOfLockFlag", 130, Flag, Cor).bits(1, 1).secondary();
    RX_FIFO_ERROR_FLAG = field("RxFIFOErrorFlag", 130, Flag, Cor).bits(0, 0).secondary();
    FEC_EXCESSIVE_DEGRADE_FLAG = field("FECExcessiveDegradeFlag", 131, Flag, Cor).bits(1, 1).secondary();
    FEC_DETECTED_DEGRADE_FLAG = field("FECDetectedDegradeFlag", 131, Flag, Cor).bits(0, 0).secondary();
    REMOTE_DEGRADE_FLAG = field("RemoteDegradeFlag", 132, Flag, Cor).bits(2, 2).secondary();
    LOCAL_DEGRADE_FLAG = field("LocalDegradeFlag", 132, Flag, Cor).bits(1, 1).secondary();
    REMOTE_PHY_FAULT_FLAG = field("RemotePhyFaultFlag", 132, Flag, Cor).bits(0, 0).secondary();
}

table! {
    /// Page 34h: media FEC performance.
    page34, 0x34, "C-CMIS 1.x, page 34h";
    RX_BITS_PM = field("rxBitsPM", 128, U64, Ro).unit("count");
    RX_BITS_SUB_INT_PM = field("rxBitsSubIntPM", 136, U64, Ro).unit("count");
    RX_CORR_BITS_PM = field("rxCorrBitsPM", 144, U64, Ro).unit("count");
    RX_MIN_CORR_BITS_SUB_INT_PM = field("rxMinCorrBitsSubIntPM", 152, U64, Ro).unit("count");
    RX_MAX_CORR_BITS_SUB_INT_PM = field("rxMaxCorrBitsSubIntPM", 160, U64, Ro).unit("count");
    RX_FRAMES_PM = field("rxFramesPM", 168, U32, Ro).unit("count");
    RX_FRAMES_SUB_INT_PM = field("rxFramesSubIntPM", 172, U32, Ro).unit("count");
    RX_FRAMES_UNCORR_ERR_PM = field("rxFramesUncorrErrPM", 176, U32, Ro).unit("count");
    RX_MIN_FRAMES_UNCORR_ERR_SUB_INT_PM = field("rxMinFramesUncorrErrSubIntPM", 180, U32, Ro).unit("count");
    RX_MAX_FRAMES_UNCORR_ERR_SUB_INT_PM = field("rxMaxFramesUncorrErrSubIntPM", 184, U32, Ro).unit("count");
}

table! {
    /// Page 35h: media link performance.
    page35, 0x35, "C-CMIS 1.x, page 35h";
    RX_AVG_CDPM = field("rxAvgCDPM", 128, S32, Ro).unit("ps/nm");
    RX_MIN_CDPM = field("rxMinCDPM", 132, S32, Ro).unit("ps/nm");
    RX_MAX_CDPM = field("rxMaxCDPM", 136, S32, Ro).unit("ps/nm");
    RX_AVG_DGDPM = field("rxAvgDGDPM", 140, U16, Ro).scale(1, 100).unit("ps");
    RX_MIN_DGDPM = field("rxMinDGDPM", 142, U16, Ro).scale(1, 100).unit("ps");
    RX_MAX_DGDPM = field("rxMaxDGDPM", 144, U16, Ro).scale(1, 100).unit("ps");
    RX_AVG_HG_SOPMDPM = field("rxAvgHgSOPMDPM", 146, U16, Ro).scale(1, 100).unit("ps^2");
    RX_MIN_HG_SOPMDPM = field("rxMinHgSOPMDPM", 148, U16, Ro).scale(1, 100).unit("ps^2");
    RX_MAX_HG_SOPMDPM = field("rxMaxHgSOPMDPM", 150, U16, Ro).scale(1, 100).unit("ps^2");
    RX_AVG_PDLPM = field("rxAvgPDLPM", 152, U16, Ro).scale(1, 10).unit("dB");
    RX_MIN_PDLPM = field("rxMinPDLPM", 154, U16, Ro).scale(1, 10).unit("dB");
    RX_MAX_PDLPM = field("rxMaxPDLPM", 156, U16, Ro).scale(1, 10).unit("dB");
    RX_AVG_OSNRPM = field("rxAvgOSNRPM", 158, U16, Ro).scale(1, 10).unit("dB");
    RX_MIN_OSNRPM = field("rxMinOSNRPM", 160, U16, Ro).scale(1, 10).unit("dB");
    RX_MAX_OSNRPM = field("rxMaxOSNRPM", 162, U16, Ro).scale(1, 10).unit("dB");
    RX_AVG_ESNRPM = field("rxAvgeSNRPM", 164, U16, Ro).scale(1, 10).unit("dB");
    RX_MIN_ESNRPM = field("rxMineSNRPM", 166, U16, Ro).scale(1, 10).unit("dB");
    RX_MAX_ESNRPM = field("rxMaxeSNRPM", 168, U16, Ro).scale(1, 10).unit("dB");
    RX_AVG_CFOPM = field("rxAvgCFOPM", 170, S16, Ro).unit("MHz");
    RX_MIN_CFOPM = field("rxMinCFOPM", 172, S16, Ro).unit("MHz");
    RX_MAX_CFOPM = field("rxMaxCFOPM", 174, S16, Ro).unit("MHz");
    RX_AVG_EVMPM = field("rxAvgEVMPM", 176, U16, Ro).scale(100, 65535).unit("%");
    RX_MIN_EVMPM = field("rxMinEVMPM", 178, U16, Ro).scale(100, 65535).unit("%");
    RX_MAX_EVMPM = field("rxMaxEVMPM", 180, U16, Ro).scale(100, 65535).unit("%");
    TX_AVG_POWER_PM = field("txAvgPowerPM", 182, S16, Ro).scale(1, 100).unit("dBm");
    TX_MIN_POWER_PM = field("txMinPowerPM", 184, S16, Ro).scale(1, 100).unit("dBm");
    TX_MAX_POWER_PM = field("txMaxPowerPM", 186, S16, Ro).scale(1, 100).unit("dBm");
    RX_AVG_RX_TOTAL_POWER_PM = field("rxAvgRxTotalPowerPM", 188, S16, Ro).scale(1, 100).unit("dBm");
    RX_MIN_RX_TOTAL_POWER_PM = field("rxMinRxTotalPowerPM", 190, S16, Ro).scale(1, 100).unit("dBm");
    RX_MAX_RX_TOTAL_POWER_PM = field("rxMaxRxTotalPowerPM", 192, S16, Ro).scale(1, 100).unit("dBm");
    RX_AVG_RX_SIGNAL_POWER_PM = field("rxAvgRxSignalPowerPM", 194, S16, Ro).scale(1, 100).unit("dBm");
    RX_MIN_RX_SIGNAL_POWER_PM = field("rxMinRxSignalPowerPM", 196, S16, Ro).scale(1, 100).unit("dBm");
    RX_MAX_RX_SIGNAL_POWER_PM = field("rxMaxRxSignalPowerPM", 198, S16, Ro).scale(1, 100).unit("dBm");
    RX_AVG_SOPROCPM = field("rxAvgSOPROCPM", 200, U16, Ro).unit("krad/s");
    RX_MIN_SOPROCPM = field("rxMinSOPROCPM", 202, U16, Ro).unit("krad/s");
    RX_MAX_SOPROCPM = field("rxMaxSOPROCPM", 204, U16, Ro).unit("krad/s");
    RX_AVG_MERPM = field("rxAvgMERPM", 206, U16, Ro).scale(1, 10).unit("dB");
    RX_MIN_MERPM = field("rxMinMERPM", 208, U16, Ro).scale(1, 10).unit("dB");
    RX_MAX_MERPM = field("rxMaxMERPM", 210, U16, Ro).scale(1, 10).unit("dB");
    RX_AVG_CLOCK_RECOVERY_LOOP_PM = field("rxAvgClockRecoveryLoopPM", 212, S16, Ro).scale(100, 32767).unit("%").secondary();
    RX_MIN_CLOCK_RECOVERY_LOOP_PM = field("rxMinClockRecoveryLoopPM", 214, S16, Ro).scale(100, 32767).unit("%").secondary();
    RX_MAX_CLOCK_RECOVERY_LOOP_PM = field("rxMaxClockRecoveryLoopPM", 216, S16, Ro).scale(100, 32767).unit("%").secondary();
    RX_AVG_LG_SOPMDPM = field("rxAvgLgSOPMDPM", 218, U16, Ro).unit("ps^2").secondary();
    RX_MIN_LG_SOPMDPM = field("rxMinLgSOPMDPM", 220, U16, Ro).unit("ps^2").secondary();
    RX_MAX_LG_SOPMDPM = field("rxMaxLgSOPMDPM", 222, U16, Ro).unit("ps^2").secondary();
    RX_AVG_SNR_MARGIN_PM = field("rxAvgSNRMarginPM", 224, S16, Ro).scale(1, 10).unit("dB").secondary();
    RX_MIN_SNR_MARGIN_PM = field("rxMinSNRMarginPM", 226, S16, Ro).scale(1, 10).unit("dB").secondary();
    RX_MAX_SNR_MARGIN_PM = field("rxMaxSNRMarginPM", 228, S16, Ro).scale(1, 10).unit("dB").secondary();
    RX_AVG_QFACTOR_PM = field("rxAvgQFactorPM", 230, U16, Ro).scale(1, 10).unit("dB").secondary();
    RX_MIN_QFACTOR_PM = field("rxMinQFactorPM", 232, U16, Ro).scale(1, 10).unit("dB").secondary();
    RX_MAX_QFACTOR_PM = field("rxMaxQFactorPM", 234, U16, Ro).scale(1, 10).unit("dB").secondary();
    RX_AVG_QMARGIN_PM = field("rxAvgQMarginPM", 236, S16, Ro).scale(1, 10).unit("dB").secondary();
    RX_MIN_QMARGIN_PM = field("rxMinQMarginPM", 238, S16, Ro).scale(1, 10).unit("dB").secondary();
    RX_MAX_QMARGIN_PM = field("rxMaxQMarginPM", 240, S16, Ro).scale(1, 10).unit("dB").secondary();
}

table! {
    /// Page 38h: host thresholds.
    page38, 0x38, "C-CMIS 1.x, page 38h";
    HOST_FDD_RAISE_THRESHOLD = field("HostFDDRaiseThreshold", 128, F16, Rw).unit("BER").secondary();
    HOST_FDD_CLEAR_THRESHOLD = field("HostFDDClearThreshold", 130, F16, Rw).unit("BER").secondary();
    HOST_FED_RAISE_THRESHOLD = field("HostFEDRaiseThreshold", 132, F16, Rw).unit("BER").secondary();
    HOST_FED_CLEAR_THRESHOLD = field("HostFEDClearThreshold", 134, F16, Rw).unit("BER").secondary();
    TX_FED_CONSEQUENT_ACTION_ENABLE = field("TxFEDConsequentActionEnable", 136, Flag, Rw).bits(5, 5).secondary();
    RX_FED_CONSEQUENT_ACTION_ENABLE = field("RxFEDConsequentActionEnable", 136, Flag, Rw).bits(4, 4).secondary();
    HOST_FED_ENABLE = field("HostFEDEnable", 136, Flag, Rw).bits(1, 1).secondary();
    HOST_FDD_ENABLE = field("HostFDDEnable", 136, Flag, Rw).bits(0, 0).secondary();
    RX_CONSEQUENT_ACTION = field("RxConsequentAction", 137, U4, Rw).bits(7, 4).secondary();
    TX_CONSEQUENT_ACTION = field("TxConsequentAction", 137, U4, Rw).bits(3, 0).secondary();
    RX_HOLD_OFF_TIME = field("RxHoldOffTime", 141, U16, Rw).scale(10, 1).unit("ms").secondary();
}

table! {
    /// Page 3Ah: host FEC performance.
    page3a, 0x3A, "C-CMIS 1.x, page 3Ah";
    TX_BITS_PM = field("txBitsPM", 128, U64, Ro).unit("count").secondary();
    TX_BITS_SUB_INT_PM = field("txBitsSubIntPM", 136, U64, Ro).unit("count").secondary();
    TX_CORR_BITS_PM = field("txCorrBitsPM", 144, U64, Ro).unit("count").secondary();
    TX_MIN_CORR_BITS_SUB_INT_PM = field("txMinCorrBitsSubIntPM", 152, U64, Ro).unit("count").secondary();
    TX_MAX_CORR_BITS_SUB_INT_PM = field("txMaxCorrBitsSubIntPM", 160, U64, Ro).unit("count").secondary();
    TX_FRAMES_PM = field("txFramesPM", 168, U32, Ro).unit("count").secondary();
    TX_FRAMES_SUB_INT_PM = field("txFramesSubIntPM", 172, U32, Ro).unit("count").secondary();
    TX_FRAMES_UNCORR_ERR_PM = field("txFramesUncorrErrPM", 176, U32, Ro).unit("count").secondary();
    TX_MIN_FRAMES_UNCORR_ERR_SUB_INT_PM = field("txMinFramesUncorrErrSubIntPM", 180, U32, Ro).unit("count").secondary();
    TX_MAX_FRAMES_UNCORR_ERR_SUB_INT_PM = field("txMaxFramesUncorrErrSubIntPM", 184, U32, Ro).unit("count").secondary();
    TX_FRAMES_CORR_ERR_PM = field("txFramesCorrErrPM", 188, U32, Ro).unit("count").secondary();
    TX_FRAMES_CORR_ERR_SUB_INT_PM = field("txFramesCorrErrSubIntPM", 192, U32, Ro).unit("count").secondary();
}

table! {
    /// Page 3Bh: host masks and flags.
    page3b, 0x3B, "C-CMIS 1.x, page 3Bh";
    HOST_FED_MASK = field("HostFEDMask", 128, Flag, Rw).bits(1, 1).secondary();
    HOST_FDD_MASK = field("HostFDDMask", 128, Flag, Rw).bits(0, 0).secondary();
    HOST_REMOTE_DEGRADE_MASK = field("HostRemoteDegradeMask", 129, Flag, Rw).bits(1, 1).secondary();
    HOST_LOCAL_DEGRADE_MASK = field("HostLocalDegradeMask", 129, Flag, Rw).bits(0, 0).secondary();
    FLEX_EFLAGS_MASK = field("FlexEFlagsMask", 130, Flag, Rw).bits(0, 0).secondary();
    TX_LOA_MASK = field("TxLOAMask", 131, Flag, Rw).bits(2, 2).secondary();
    TX_REMOTE_FAULT_MASK = field("TxRemoteFaultMask", 131, Flag, Rw).bits(1, 1).secondary();
    TX_LOCAL_FAULT_MASK = field("TxLocalFaultMask", 131, Flag, Rw).bits(0, 0).secondary();
    RX_LOA_MASK = field("RxLOAMask", 132, Flag, Rw).bits(2, 2).secondary();
    RX_REMOTE_FAULT_MASK = field("RxRemoteFaultMask", 132, Flag, Rw).bits(1, 1).secondary();
    RX_LOCAL_FAULT_MASK = field("RxLocalFaultMask", 132, Flag, Rw).bits(0, 0).secondary();
    HOST_FED_FLAG = field("HostFEDFlag", 192, Flag, Cor).bits(1, 1).secondary();
    HOST_FDD_FLAG = field("HostFDDFlag", 192, Flag, Cor).bits(0, 0).secondary();
    HOST_REMOTE_DEGRADE_FLAG = field("HostRemoteDegradeFlag", 193, Flag, Cor).bits(1, 1).secondary();
    HOST_LOCAL_DEGRADE_FLAG = field("HostLocalDegradeFlag", 193, Flag, Cor).bits(0, 0).secondary();
    FLEX_EFLAGS_FLAG = field("FlexEFlagsFlag", 194, Flag, Cor).bits(0, 0).secondary();
    TX_LOA_FLAG = field("TxLOAFlag", 195, Flag, Cor).bits(2, 2).secondary();
    TX_REMOTE_FAULT_FLAG = field("TxRemoteFaultFlag", 195, Flag, Cor).bits(1, 1).secondary();
    TX_LOCAL_FAULT_FLAG = field("TxLocalFaultFlag", 195, Flag, Cor).bits(0, 0).secondary();
    RX_LOA_FLAG = field("RxLOAFlag", 196, Flag, Cor).bits(2, 2).secondary();
    RX_REMOTE_FAULT_FLAG = field("RxRemoteFaultFlag", 196, Flag, Cor).bits(1, 1).secondary();
    RX_LOCAL_FAULT_FLAG = field("RxLocalFaultFlag", 196, Flag, Cor).bits(0, 0).secondary();
}

table! {
    /// Page 40h: C-CMIS revision.
    page40, 0x40, "C-CMIS 1.x, page 40h";
    CCMIS_REVISION = field("CCmisRevision", 128, BcdNibbles, Ro).secondary();
}

table! {
    /// Page 41h: receiver power threshold capability.
    page41, 0x41, "C-CMIS 1.x, page 41h";
    RX_TOTAL_POWER_THR_CONFIGURABLE = field("RxTotalPowerThrConfigurable", 128, Flag, Ro).bits(1, 1).contradicted();
    RX_SIGNAL_POWER_THR_CONFIGURABLE = field("RxSignalPowerThrConfigurable", 128, Flag, Ro).bits(0, 0).contradicted();
    RX_LOS_TYPE = field("RxLOSType", 128, U2, Ro).bits(5, 4).names(names::LOS_TYPES).secondary();
    RX_TOTAL_POWER_HIGH_ALARM_RANGE_MAX = field("RxTotalPowerHighAlarmRangeMax", 132, S16, Ro).scale(1, 100).unit("dBm").contradicted();
    RX_TOTAL_POWER_HIGH_ALARM_RANGE_MIN = field("RxTotalPowerHighAlarmRangeMin", 134, S16, Ro).scale(1, 100).unit("dBm").contradicted();
    RX_TOTAL_POWER_LOW_ALARM_RANGE_MAX = field("RxTotalPowerLowAlarmRangeMax", 136, S16, Ro).scale(1, 100).unit("dBm").contradicted();
    RX_TOTAL_POWER_LOW_ALARM_RANGE_MIN = field("RxTotalPowerLowAlarmRangeMin", 138, S16, Ro).scale(1, 100).unit("dBm").contradicted();
    RX_TOTAL_POWER_HIGH_WARNING_RANGE_MAX = field("RxTotalPowerHighWarningRangeMax", 140, S16, Ro).scale(1, 100).unit("dBm").contradicted();
    RX_TOTAL_POWER_HIGH_WARNING_RANGE_MIN = field("RxTotalPowerHighWarningRangeMin", 142, S16, Ro).scale(1, 100).unit("dBm").contradicted();
    RX_TOTAL_POWER_LOW_WARNING_RANGE_MAX = field("RxTotalPowerLowWarningRangeMax", 144, S16, Ro).scale(1, 100).unit("dBm").contradicted();
    RX_TOTAL_POWER_LOW_WARNING_RANGE_MIN = field("RxTotalPowerLowWarningRangeMin", 146, S16, Ro).scale(1, 100).unit("dBm").contradicted();
    RX_SIGNAL_POWER_HIGH_ALARM_RANGE_MAX = field("RxSignalPowerHighAlarmRangeMax", 148, S16, Ro).scale(1, 100).unit("dBm").contradicted();
    RX_SIGNAL_POWER_HIGH_ALARM_RANGE_MIN = field("RxSignalPowerHighAlarmRangeMin", 150, S16, Ro).scale(1, 100).unit("dBm").contradicted();
    RX_SIGNAL_POWER_LOW_ALARM_RANGE_MAX = field("RxSignalPowerLowAlarmRangeMax", 152, S16, Ro).scale(1, 100).unit("dBm").contradicted();
    RX_SIGNAL_POWER_LOW_ALARM_RANGE_MIN = field("RxSignalPowerLowAlarmRangeMin", 154, S16, Ro).scale(1, 100).unit("dBm").contradicted();
    RX_SIGNAL_POWER_HIGH_WARNING_RANGE_MAX = field("RxSignalPowerHighWarningRangeMax", 156, S16, Ro).scale(1, 100).unit("dBm").contradicted();
    RX_SIGNAL_POWER_HIGH_WARNING_RANGE_MIN = field("RxSignalPowerHighWarningRangeMin", 158, S16, Ro).scale(1, 100).unit("dBm").contradicted();
    RX_SIGNAL_POWER_LOW_WARNING_RANGE_MAX = field("RxSignalPowerLowWarningRangeMax", 160, S16, Ro).scale(1, 100).unit("dBm").contradicted();
    RX_SIGNAL_POWER_LOW_WARNING_RANGE_MIN = field("RxSignalPowerLowWarningRangeMin", 162, S16, Ro).scale(1, 100).unit("dBm").contradicted();
}

table! {
    /// Page 42h: performance monitoring advertisement.
    page42, 0x42, "C-CMIS 1.x, page 42h";
    PAGE34U64PM_ADVERTISEMENT = field("Page34U64PMAdvertisement", 128, Bitmap5, Ro).bits(4, 0).secondary();
    PAGE34U32PM_ADVERTISEMENT = field("Page34U32PMAdvertisement", 129, Bitmap5, Ro).bits(4, 0).secondary();
    CD_ADVERTISEMENT = field("CDAdvertisement", 130, StatisticsNibble, Ro).bits(7, 4).secondary();
    DGD_ADVERTISEMENT = field("DGDAdvertisement", 130, StatisticsNibble, Ro).bits(3, 0).secondary();
    LG_SOPMD_ADVERTISEMENT = field("LgSOPMDAdvertisement", 131, StatisticsNibble, Ro).bits(7, 4).secondary();
    PDL_ADVERTISEMENT = field("PDLAdvertisement", 131, StatisticsNibble, Ro).bits(3, 0).secondary();
    OSNR_ADVERTISEMENT = field("OSNRAdvertisement", 132, StatisticsNibble, Ro).bits(7, 4).secondary();
    ESNR_ADVERTISEMENT = field("eSNRAdvertisement", 132, StatisticsNibble, Ro).bits(3, 0).secondary();
    CFO_ADVERTISEMENT = field("CFOAdvertisement", 133, StatisticsNibble, Ro).bits(7, 4).secondary();
    EVM_ADVERTISEMENT = field("EVMAdvertisement", 133, StatisticsNibble, Ro).bits(3, 0).secondary();
    SOPROC_ADVERTISEMENT = field("SOPROCAdvertisement", 134, StatisticsNibble, Ro).bits(7, 4).secondary();
    TX_POWER_ADVERTISEMENT = field("TxPowerAdvertisement", 134, StatisticsNibble, Ro).bits(3, 0).secondary();
    RX_TOTAL_POWER_ADVERTISEMENT = field("RxTotalPowerAdvertisement", 135, StatisticsNibble, Ro).bits(7, 4).secondary();
    RX_SIGNAL_POWER_ADVERTISEMENT = field("RxSignalPowerAdvertisement", 135, StatisticsNibble, Ro).bits(3, 0).secondary();
    MEDIA_FEDFDD_ADVERTISEMENT = field("MediaFEDFDDAdvertisement", 136, Bitmap2, Ro).bits(1, 0).secondary();
    HOST_FEDFDD_ADVERTISEMENT = field("HostFEDFDDAdvertisement", 137, Bitmap8, Ro).secondary();
    CLOCK_RECOVERY_ADVERTISEMENT = field("ClockRecoveryAdvertisement", 138, StatisticsNibble, Ro).bits(7, 4).secondary();
    HG_SOPMD_ADVERTISEMENT = field("HgSOPMDAdvertisement", 138, StatisticsNibble, Ro).bits(3, 0).secondary();
    SNR_MARGIN_ADVERTISEMENT = field("SNRMarginAdvertisement", 139, StatisticsNibble, Ro).bits(7, 4).secondary();
    MER_ADVERTISEMENT = field("MERAdvertisement", 139, StatisticsNibble, Ro).bits(3, 0).secondary();
    QFACTOR_ADVERTISEMENT = field("QFactorAdvertisement", 140, StatisticsNibble, Ro).bits(7, 4).secondary();
    QMARGIN_ADVERTISEMENT = field("QMarginAdvertisement", 140, StatisticsNibble, Ro).bits(3, 0).secondary();
}

table! {
    /// Page 43h: media provisioning advertisement.
    page43, 0x43, "C-CMIS 1.x, page 43h";
    TX_FILTER_SUPPORTED = field("TxFilterSupported", 128, Flag, Ro).bits(7, 7).secondary();
    LF_INSERTION_ON_LD_SUPPORTED = field("LFInsertionOnLDSupported", 128, Flag, Ro).bits(6, 6).secondary();
}

table! {
    /// Page 44h: alarm advertisement.
    page44, 0x44, "C-CMIS 1.x, page 44h";
    MEDIA_ALARM_ADVERTISEMENT = field("MediaAlarmAdvertisement", 128, Bytes, Ro).len(4).secondary();
    HOST_ALARM_ADVERTISEMENT = field("HostAlarmAdvertisement", 132, Bytes, Ro).len(5).secondary();
}

table! {
    /// Page 45h: host provisioning advertisement.
    page45, 0x45, "C-CMIS 1.x, page 45h";
    HOST_PROVISIONING_ADVERTISEMENT = field("HostProvisioningAdvertisement", 128, Bytes, Ro).len(2).secondary();
}
