"""Functions that read no table, write none and steer nothing; on servers no statement calls any other.

On a server a function may read whatever its user may: ``query_to_xml`` runs any SELECT, ``load_file`` reads files,
and one that somebody has made may do anything.  So the lists name what each engine itself brings and does no harm,
and the rest is refused; a name that an engine does not bring is not in its list, because anybody may take it there.
"""

from __future__ import annotations

__all__ = ["known_functions"]

_BOTH = """
abs acos aggregate_strings all any ascii asin atan atan2 avg bit_and bit_count bit_length bit_or bit_xor cast ceil
ceiling char char_length character_length chr coalesce concat concat_ws cos cot count cume_dist current_date
current_time current_timestamp date decode degrees dense_rank encode exists exp extract first_value floor format
greatest json_object lag last_value lead least left length ln localtime localtimestamp log log10 lower lpad ltrim
max md5 min mod now nth_value ntile nullif octet_length percent_rank percentile_cont percentile_disc pi position pow
power radians rank regexp_instr regexp_replace regexp_substr repeat replace reverse right rollup round row_number
rpad rtrim sign sin some sqrt stddev stddev_pop stddev_samp substr substring sum tan time timestamp to_char trim
upper var_pop var_samp variance
"""
_POSTGRES = """
age array array_agg array_append array_cat array_dims array_fill array_length array_lower array_ndims array_position
array_positions array_prepend array_remove array_replace array_to_json array_to_string array_to_tsvector array_upper
bool_and bool_or btrim cardinality cbrt clock_timestamp corr covar_pop covar_samp cube date_bin date_part date_trunc
div every gcd gen_random_uuid generate_series generate_subscripts grouping grouping_sets initcap is_normalized
isfinite json_agg json_array_elements json_array_elements_text json_array_length json_build_array json_build_object
json_each json_each_text json_extract_path json_extract_path_text json_object_agg json_object_keys json_strip_nulls
json_typeof jsonb_agg jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array
jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object
jsonb_object_agg jsonb_object_keys jsonb_path_exists jsonb_path_match jsonb_path_query jsonb_path_query_array
jsonb_path_query_first jsonb_pretty jsonb_set jsonb_set_lax jsonb_strip_nulls jsonb_typeof justify_days
justify_hours justify_interval lcm make_date make_interval make_time make_timestamp make_timestamptz min_scale mode
normalize numnode overlay pg_typeof phraseto_tsquery plainto_tsquery querytree quote_literal quote_nullable random
regexp_count regexp_like regexp_match regexp_matches regexp_split_to_array regexp_split_to_table regr_avgx regr_avgy
regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy row_to_json scale setweight sha224 sha256
sha384 sha512 split_part starts_with statement_timestamp string_agg string_to_array string_to_table strip strpos
timezone to_date to_hex to_json to_jsonb to_number to_timestamp to_tsquery to_tsvector transaction_timestamp
translate trim_scale trunc ts_delete ts_filter ts_headline ts_rank ts_rank_cd tsquery_phrase tsvector_to_array
unnest websearch_to_tsquery width_bucket
"""
_MARIADB = """
adddate addtime convert crc32 curdate curtime date_add date_format date_sub datediff day dayofmonth dayofweek
dayofyear elt field find_in_set from_base64 from_days from_unixtime group_concat hex hour if ifnull insert instr
json_array json_array_append json_array_insert json_arrayagg json_compact json_contains json_contains_path
json_depth json_detailed json_exists json_extract json_insert json_keys json_length json_loose json_merge_patch
json_merge_preserve json_objectagg json_query json_quote json_remove json_replace json_search json_set json_type
json_unquote json_valid json_value last_day locate log2 makedate maketime median microsecond minute month nvl nvl2
ord quarter quote rand random second sha1 sha2 soundex space std str_to_date strcmp subdate substring_index subtime
sysdate time_format timediff timestampadd timestampdiff to_base64 to_days to_seconds truncate unhex unix_timestamp
utc_date utc_time utc_timestamp uuid values week weekday weekofyear year yearweek
"""
_KNOWN = {
    "postgresql": frozenset(f"{_BOTH} {_POSTGRES}".split()),
    "mariadb": frozenset(f"{_BOTH} {_MARIADB}".split()),
}


def known_functions(dialect: str) -> frozenset[str] | None:
    """Names in small letters; None for SQLite, whose functions read no tables.

    Args:
        dialect: The engine as SQLAlchemy calls it.
    """
    return None if dialect == "sqlite" else _KNOWN[dialect]
