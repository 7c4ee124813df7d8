"""Functions that read no table, write none and steer nothing; on servers no statement calls any other.

On a server a function may read whatever its user may: ``query_to_xml`` runs any SELECT, ``load_file`` reads files,
and one that somebody has made may do anything.  So the list names what is known, and the rest is refused.
"""

from __future__ import annotations

__all__ = ["KNOWN_FUNCTIONS"]

_AGGREGATES = """
count sum avg min max any_value array_agg string_agg group_concat aggregate_strings json_agg jsonb_agg
json_object_agg jsonb_object_agg json_arrayagg json_objectagg json_group_array json_group_object bool_and bool_or
every bit_and bit_or bit_xor std stddev stddev_pop stddev_samp variance var_pop var_samp corr covar_pop covar_samp
regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy
percentile_cont percentile_disc mode median
row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value
rollup cube grouping_sets grouping
"""
_VALUES = "coalesce nullif ifnull greatest least if iif nvl nvl2 cast convert pg_typeof typeof exists values"
_TEXTS = """
lower upper prefiq_lower length char_length character_length octet_length bit_length substr substring
substring_index left right trim ltrim rtrim btrim replace concat concat_ws instr locate position strpos strcmp repeat
reverse lpad rpad ascii chr char ord initcap split_part translate overlay starts_with insert elt field find_in_set
space soundex quote quote_literal quote_nullable hex unhex to_hex to_base64 from_base64 encode decode md5 sha1 sha2
sha224 sha256 sha384 sha512 crc32 format printf normalize is_normalized
regexp_replace regexp_substr regexp_instr regexp_like regexp_match regexp_matches regexp_count
regexp_split_to_array regexp_split_to_table string_to_array string_to_table array_to_string
"""
_NUMBERS = """
abs ceil ceiling floor round trunc truncate sign sqrt cbrt power pow exp ln log log2 log10 mod div gcd lcm sin cos tan
asin acos atan atan2 cot degrees radians pi random rand width_bucket bit_count scale min_scale trim_scale
uuid gen_random_uuid
"""
_INSTANTS = """
now current_timestamp current_date current_time localtime localtimestamp sysdate curdate curtime utc_date utc_time
utc_timestamp clock_timestamp statement_timestamp transaction_timestamp date time timestamp datetime strftime julianday
unixepoch year quarter month week day hour minute second microsecond dayofmonth dayofweek dayofyear weekday weekofyear
yearweek last_day date_add date_sub adddate subdate addtime subtime date_format time_format str_to_date datediff
timediff timestampdiff timestampadd from_unixtime unix_timestamp from_days to_days to_seconds makedate maketime extract
date_part date_trunc date_bin age make_date make_time make_timestamp make_timestamptz make_interval justify_days
justify_hours justify_interval isfinite timezone to_char to_date to_timestamp to_number
"""
_JSON = """
json json_extract json_value json_query json_unquote json_quote json_length json_depth json_keys json_contains
json_contains_path json_exists json_valid json_type json_array json_object json_set json_insert json_replace
json_remove json_patch json_merge_patch json_merge_preserve json_array_append json_array_insert json_array_length
json_search json_compact json_detailed json_loose json_typeof jsonb_typeof jsonb_array_length json_build_object
jsonb_build_object json_build_array jsonb_build_array jsonb_object json_extract_path json_extract_path_text
jsonb_extract_path jsonb_extract_path_text jsonb_set jsonb_set_lax jsonb_insert jsonb_path_exists jsonb_path_match
jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_pretty to_json to_jsonb row_to_json
array_to_json json_strip_nulls jsonb_strip_nulls json_object_keys jsonb_object_keys json_each json_each_text jsonb_each
jsonb_each_text json_array_elements json_array_elements_text jsonb_array_elements jsonb_array_elements_text
"""
_ARRAYS = """
array unnest generate_series generate_subscripts array_length array_ndims array_dims array_lower array_upper array_append
array_prepend array_cat array_remove array_replace array_position array_positions array_fill cardinality any all some
"""
_WORDS = """
to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery ts_rank ts_rank_cd ts_headline ts_filter
ts_delete setweight strip numnode querytree tsquery_phrase tsvector_to_array array_to_tsvector
"""

KNOWN_FUNCTIONS = frozenset(
    f"{_AGGREGATES} {_VALUES} {_TEXTS} {_NUMBERS} {_INSTANTS} {_JSON} {_ARRAYS} {_WORDS}".split()
)
"""Names in small letters, of all engines together: one that an engine does not have, it refuses itself."""
