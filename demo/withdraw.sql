SELECT count(twin_privacy.withdraw_consent(consent_id, 'asked by phone')::text) AS withdrawn
  FROM twin_privacy.consents WHERE subject = '2' AND purpose = 'HRESCH' AND withdrawn_at IS NULL;
