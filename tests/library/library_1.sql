-- The library's tables at version 1, as they were made before there were steps, with an entry
-- that went its way: submitted, authorised, reviewed.
CREATE TABLE library_acknowledgement (
	user INTEGER NOT NULL,
	entry INTEGER NOT NULL,
	revision INTEGER NOT NULL,
	at VARCHAR(32) NOT NULL,
	PRIMARY KEY (user, entry, revision),
	FOREIGN KEY(user) REFERENCES library_user (number),
	FOREIGN KEY(entry) REFERENCES library_entry (number)
);
CREATE TABLE library_attempt (
	subject VARCHAR(256) NOT NULL,
	window INTEGER NOT NULL,
	count INTEGER NOT NULL,
	PRIMARY KEY (subject, window)
);
CREATE TABLE library_audit (
	number INTEGER NOT NULL,
	at VARCHAR(32) NOT NULL,
	user VARCHAR(254) NOT NULL,
	party VARCHAR(256) NOT NULL,
	action VARCHAR(64) NOT NULL,
	subject VARCHAR(256) NOT NULL,
	detail TEXT NOT NULL,
	digest VARCHAR(64) NOT NULL,
	PRIMARY KEY (number)
);
CREATE TABLE library_decision (
	number INTEGER NOT NULL,
	entry INTEGER NOT NULL,
	revision INTEGER NOT NULL,
	step VARCHAR(16) NOT NULL,
	user INTEGER NOT NULL,
	remark TEXT NOT NULL,
	at VARCHAR(32) NOT NULL,
	PRIMARY KEY (number),
	FOREIGN KEY(entry) REFERENCES library_entry (number),
	FOREIGN KEY(user) REFERENCES library_user (number)
);
CREATE TABLE library_entry (
	number INTEGER NOT NULL,
	revision INTEGER NOT NULL,
	state VARCHAR(16) NOT NULL,
	party INTEGER NOT NULL,
	submitted_by INTEGER NOT NULL,
	responsible INTEGER,
	replaces INTEGER,
	cpl_entry_id VARCHAR(64),
	device_type VARCHAR(8) NOT NULL,
	manufacturer_code VARCHAR(4) NOT NULL,
	device_model VARCHAR(8) NOT NULL,
	firmware_version VARCHAR(8) NOT NULL,
	image_hash VARCHAR(64) NOT NULL,
	image VARCHAR(64),
	fields TEXT NOT NULL,
	release_notes TEXT NOT NULL,
	known_defects TEXT NOT NULL,
	procedure TEXT NOT NULL,
	vulnerabilities TEXT NOT NULL,
	never_in_field BOOLEAN NOT NULL,
	delivery TEXT NOT NULL,
	extra TEXT NOT NULL,
	submitted_at VARCHAR(32) NOT NULL,
	changed_at VARCHAR(32) NOT NULL,
	PRIMARY KEY (number),
	CONSTRAINT state CHECK (state IN ('submitted', 'authorised', 'reviewed', 'listed', 'rejected', 'withdrawn')),
	FOREIGN KEY(party) REFERENCES library_party (number),
	FOREIGN KEY(submitted_by) REFERENCES library_user (number),
	FOREIGN KEY(responsible) REFERENCES library_party (number),
	FOREIGN KEY(replaces) REFERENCES library_entry (number),
	FOREIGN KEY(image) REFERENCES library_image (digest)
);
CREATE TABLE library_extra_field (
	name VARCHAR(64) NOT NULL,
	heading VARCHAR(256) NOT NULL,
	added_by INTEGER NOT NULL,
	added_at VARCHAR(32) NOT NULL,
	PRIMARY KEY (name),
	FOREIGN KEY(added_by) REFERENCES library_user (number)
);
CREATE TABLE library_image (
	digest VARCHAR(64) NOT NULL,
	size_bytes INTEGER NOT NULL,
	image_hash VARCHAR(64) NOT NULL,
	stored_at VARCHAR(32) NOT NULL,
	PRIMARY KEY (digest)
);
CREATE TABLE library_invitation (
	digest VARCHAR(64) NOT NULL,
	party INTEGER NOT NULL,
	user INTEGER,
	email VARCHAR(254) NOT NULL,
	invited_by INTEGER,
	expires_at VARCHAR(32) NOT NULL,
	used_at VARCHAR(32),
	PRIMARY KEY (digest),
	FOREIGN KEY(party) REFERENCES library_party (number),
	FOREIGN KEY(user) REFERENCES library_user (number),
	FOREIGN KEY(invited_by) REFERENCES library_user (number)
);
CREATE TABLE library_party (
	number INTEGER NOT NULL,
	name VARCHAR(256) NOT NULL,
	kind VARCHAR(32) NOT NULL,
	created_at VARCHAR(32) NOT NULL,
	PRIMARY KEY (number),
	CONSTRAINT kind CHECK (kind IN ('manufacturer', 'supplier', 'meter asset provider', 'dcc', 'ssc', 'administrator')),
	UNIQUE (name)
);
CREATE TABLE library_recovery_code (
	user INTEGER NOT NULL,
	digest VARCHAR(64) NOT NULL,
	used_at VARCHAR(32),
	PRIMARY KEY (user, digest),
	FOREIGN KEY(user) REFERENCES library_user (number)
);
CREATE TABLE library_session (
	digest VARCHAR(64) NOT NULL,
	user INTEGER,
	data TEXT NOT NULL,
	agent VARCHAR(256),
	created_at VARCHAR(32) NOT NULL,
	seen_at VARCHAR(32) NOT NULL,
	expires_at VARCHAR(32) NOT NULL,
	PRIMARY KEY (digest),
	FOREIGN KEY(user) REFERENCES library_user (number)
);
CREATE TABLE library_token (
	digest VARCHAR(64) NOT NULL,
	user INTEGER NOT NULL,
	name VARCHAR(256) NOT NULL,
	scope VARCHAR(16) NOT NULL,
	created_at VARCHAR(32) NOT NULL,
	expires_at VARCHAR(32) NOT NULL,
	used_at VARCHAR(32),
	PRIMARY KEY (digest),
	FOREIGN KEY(user) REFERENCES library_user (number)
);
CREATE TABLE library_user (
	number INTEGER NOT NULL,
	party INTEGER NOT NULL,
	email VARCHAR(254) NOT NULL,
	name VARCHAR(256) NOT NULL,
	password_hash VARCHAR(256) NOT NULL,
	totp_secret BLOB,
	totp_step INTEGER NOT NULL,
	is_active BOOLEAN NOT NULL,
	failed_logins INTEGER NOT NULL,
	locked_until VARCHAR(32),
	created_at VARCHAR(32) NOT NULL,
	PRIMARY KEY (number),
	FOREIGN KEY(party) REFERENCES library_party (number),
	UNIQUE (email)
);
CREATE TABLE library_version (
	version INTEGER NOT NULL,
	PRIMARY KEY (version)
);
INSERT INTO "library_version" VALUES(1);
INSERT INTO "library_party" VALUES(1,'Volt Devices Ltd','manufacturer','2026-11-28T02:54:07Z');
INSERT INTO "library_party" VALUES(2,'Northern Energy','supplier','2026-11-28T02:54:08Z');
INSERT INTO "library_party" VALUES(3,'Southern Energy','supplier','2026-11-28T02:54:09Z');
INSERT INTO "library_party" VALUES(4,'Metering Assets plc','meter asset provider','2026-11-28T02:54:09Z');
INSERT INTO "library_party" VALUES(5,'DCC','dcc','2026-11-28T02:54:10Z');
INSERT INTO "library_party" VALUES(6,'Security Sub-Committee','ssc','2026-11-28T02:54:11Z');
INSERT INTO "library_party" VALUES(7,'SECAS','administrator','2026-11-28T02:54:11Z');
INSERT INTO "library_user" VALUES(1,1,'volt@example.org','Volt','-',NULL,0,1,0,NULL,'2026-11-28T02:54:07Z');
INSERT INTO "library_user" VALUES(2,2,'north@example.org','North','-',NULL,0,1,0,NULL,'2026-11-28T02:54:08Z');
INSERT INTO "library_user" VALUES(3,3,'south@example.org','South','-',NULL,0,1,0,NULL,'2026-11-28T02:54:09Z');
INSERT INTO "library_user" VALUES(4,4,'metering@example.org','Metering','-',NULL,0,1,0,NULL,'2026-11-28T02:54:09Z');
INSERT INTO "library_user" VALUES(5,5,'dcc@example.org','Dcc','-',NULL,0,1,0,NULL,'2026-11-28T02:54:10Z');
INSERT INTO "library_user" VALUES(6,6,'ssc@example.org','Ssc','-',NULL,0,1,0,NULL,'2026-11-28T02:54:11Z');
INSERT INTO "library_user" VALUES(7,7,'secas@example.org','Secas','-',NULL,0,1,0,NULL,'2026-11-28T02:54:11Z');
INSERT INTO "library_image" VALUES('fb58b29d4435ec3f9c6fa9ee470cf014cd5df28fc3b78806322cf3c043446b14',239,'19596f3073bda5ac16a09df16cd1885c2f87e0af68698121f289c8193ead6ed6','2026-11-28T02:54:12Z');
INSERT INTO "library_entry" VALUES(1,3,'listed',1,1,2,NULL,'E-1','PPMID','FFF0','00050100','00000001','19596f3073bda5ac16a09df16cd1885c2f87e0af68698121f289c8193ead6ed6','fb58b29d4435ec3f9c6fa9ee470cf014cd5df28fc3b78806322cf3c043446b14','{"contact": "firmware@displays.example", "cpl_entry_id": "E-1", "device_model": "00050100", "device_type": "PPMID", "firmware_version": "00000001", "firmware_version_text": "00000001", "image_hash": "19596f3073bda5ac16a09df16cd1885c2f87e0af68698121f289c8193ead6ed6", "join_option": "2.4 GHz Only", "manufacturer_code": "FFF0", "minimum_base_version": "00000000", "point_of_no_return": "no", "predecessors": "N/A", "release_kind": "non-commercial", "security_counter": "0", "status": "Active", "zigbee_vendor": "Example Radios"}','Keeps the time.','','Wait for the evening.','',0,'{}','{}','2026-11-28T02:54:12Z','2026-11-28T02:54:13Z');
INSERT INTO "library_decision" VALUES(1,1,1,'authorise',2,'','2026-11-28T02:54:12Z');
INSERT INTO "library_decision" VALUES(2,1,2,'review',7,'','2026-11-28T02:54:12Z');
INSERT INTO "library_audit" VALUES(1,'2026-11-28T02:54:07Z','','','add party','Volt Devices Ltd','{"kind": "manufacturer"}','80c63032e115592ad1801bf4ba467bf20e8fe95726a685052f450fe6a3fc1af8');
INSERT INTO "library_audit" VALUES(2,'2026-11-28T02:54:07Z','','','invite','volt@example.org','{"party": "Volt Devices Ltd"}','7d1b5f5418c9a4b488459b0f2e0c0e222d432541b0b1f41508e7e4e9b605b782');
INSERT INTO "library_audit" VALUES(3,'2026-11-28T02:54:08Z','volt@example.org','Volt Devices Ltd','sign up','volt@example.org','{}','471f81bb4a95b85f843eaffd8e6fb0e0a3a9964fdeb742d3cb15d4d33d682fd2');
INSERT INTO "library_audit" VALUES(4,'2026-11-28T02:54:08Z','volt@example.org','Volt Devices Ltd','make token','demo','{"scope": "write"}','57d077e28fdcf39f9711d71c117210d852d65f47c051b7478a82f4dd14ad5501');
CREATE INDEX ix_library_image_image_hash ON library_image (image_hash);
CREATE INDEX ix_library_audit_subject ON library_audit (subject);
CREATE INDEX ix_library_audit_action ON library_audit (action);
CREATE TRIGGER library_audit_no_update BEFORE UPDATE ON library_audit BEGIN SELECT RAISE(ABORT, 'the audit log is not rewritten'); END;
CREATE TRIGGER library_audit_no_delete BEFORE DELETE ON library_audit BEGIN SELECT RAISE(ABORT, 'the audit log is not rewritten'); END;
CREATE INDEX ix_library_user_party ON library_user (party);
CREATE INDEX ix_library_session_user ON library_session (user);
CREATE INDEX ix_library_session_expires_at ON library_session (expires_at);
CREATE INDEX ix_library_token_user ON library_token (user);
CREATE INDEX ix_library_entry_changed_at ON library_entry (changed_at);
CREATE INDEX ix_library_entry_by_model ON library_entry (manufacturer_code, device_model, firmware_version DESC, number);
CREATE INDEX ix_library_entry_cpl_entry_id ON library_entry (cpl_entry_id);
CREATE INDEX ix_library_entry_by_device_model ON library_entry (state, device_model, manufacturer_code, firmware_version DESC, number);
CREATE INDEX ix_library_entry_image_hash ON library_entry (image_hash);
CREATE INDEX ix_library_entry_by_change ON library_entry (state, changed_at, number);
CREATE INDEX ix_library_entry_by_version ON library_entry (state, firmware_version, manufacturer_code, device_model, number);
CREATE INDEX ix_library_entry_by_listed ON library_entry (state, manufacturer_code, device_model, firmware_version DESC, number);
CREATE INDEX ix_library_entry_by_party ON library_entry (party, state, manufacturer_code, device_model, firmware_version DESC, number);
CREATE INDEX ix_library_decision_entry ON library_decision (entry);
