//! Command data block messaging (9Fh, A0h-AFh).

use super::table;

table! {
    /// Page 9Fh: CDB message.
    page9f, 0x9F, "OIF-CMIS-05.4, page 9Fh";
    CMDID = field("CMDID", 128, U16, Rw);
    EPL_LENGTH = field("EPLLength", 130, U16, Rw);
    LPL_LENGTH = field("LPLLength", 132, U8, Rw);
    CDB_CHK_CODE = field("CdbChkCode", 133, U8, Rw);
    RPL_LENGTH = field("RPLLength", 134, U8, Ro);
    RPL_CHK_CODE = field("RPLChkCode", 135, U8, Ro);
    LPL = field("LPL", 136, Bytes, Rw).len(120);
}

table! {
    /// Page A0h: CDB extended payload segment 1.
    pagea0, 0xA0, "OIF-CMIS-05.4, page A0h";
    EPL_SEGMENT1 = field("EPLSegment1", 128, Bytes, Rw).len(128);
}

table! {
    /// Page A1h: CDB extended payload segment 2.
    pagea1, 0xA1, "OIF-CMIS-05.4, page A1h";
    EPL_SEGMENT2 = field("EPLSegment2", 128, Bytes, Rw).len(128);
}

table! {
    /// Page A2h: CDB extended payload segment 3.
    pagea2, 0xA2, "OIF-CMIS-05.4, page A2h";
    EPL_SEGMENT3 = field("EPLSegment3", 128, Bytes, Rw).len(128);
}

table! {
    /// Page A3h: CDB extended payload segment 4.
    pagea3, 0xA3, "OIF-CMIS-05.4, page A3h";
    EPL_SEGMENT4 = field("EPLSegment4", 128, Bytes, Rw).len(128);
}

table! {
    /// Page A4h: CDB extended payload segment 5.
    pagea4, 0xA4, "OIF-CMIS-05.4, page A4h";
    EPL_SEGMENT5 = field("EPLSegment5", 128, Bytes, Rw).len(128);
}

table! {
    /// Page A5h: CDB extended payload segment 6.
    pagea5, 0xA5, "OIF-CMIS-05.4, page A5h";
    EPL_SEGMENT6 = field("EPLSegment6", 128, Bytes, Rw).len(128);
}

table! {
    /// Page A6h: CDB extended payload segment 7.
    pagea6, 0xA6, "OIF-CMIS-05.4, page A6h";
    EPL_SEGMENT7 = field("EPLSegment7", 128, Bytes, Rw).len(128);
}

table! {
    /// Page A7h: CDB extended payload segment 8.
    pagea7, 0xA7, "OIF-CMIS-05.4, page A7h";
    EPL_SEGMENT8 = field("EPLSegment8", 128, Bytes, Rw).len(128);
}

table! {
    /// Page A8h: CDB extended payload segment 9.
    pagea8, 0xA8, "OIF-CMIS-05.4, page A8h";
    EPL_SEGMENT9 = field("EPLSegment9", 128, Bytes, Rw).len(128);
}

table! {
    /// Page A9h: CDB extended payload segment 10.
    pagea9, 0xA9, "OIF-CMIS-05.4, page A9h";
    EPL_SEGMENT10 = field("EPLSegment10", 128, Bytes, Rw).len(128);
}

table! {
    /// Page AAh: CDB extended payload segment 11.
    pageaa, 0xAA, "OIF-CMIS-05.4, page AAh";
    EPL_SEGMENT11 = field("EPLSegment11", 128, Bytes, Rw).len(128);
}

table! {
    /// Page ABh: CDB extended payload segment 12.
    pageab, 0xAB, "OIF-CMIS-05.4, page ABh";
    EPL_SEGMENT12 = field("EPLSegment12", 128, Bytes, Rw).len(128);
}

table! {
    /// Page ACh: CDB extended payload segment 13.
    pageac, 0xAC, "OIF-CMIS-05.4, page ACh";
    EPL_SEGMENT13 = field("EPLSegment13", 128, Bytes, Rw).len(128);
}

table! {
    /// Page ADh: CDB extended payload segment 14.
    pagead, 0xAD, "OIF-CMIS-05.4, page ADh";
    EPL_SEGMENT14 = field("EPLSegment14", 128, Bytes, Rw).len(128);
}

table! {
    /// Page AEh: CDB extended payload segment 15.
    pageae, 0xAE, "OIF-CMIS-05.4, page AEh";
    EPL_SEGMENT15 = field("EPLSegment15", 128, Bytes, Rw).len(128);
}

table! {
    /// Page AFh: CDB extended payload segment 16.
    pageaf, 0xAF, "OIF-CMIS-05.4, page AFh";
    EPL_SEGMENT16 = field("EPLSegment16", 128, Bytes, Rw).len(128);
}
