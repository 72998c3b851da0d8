//! What each function is for, in a line.

/// Name, arguments, and what it gives.
pub(super) const ALL: &[(&str, &str, &str)] = &[
    ("ABS", "number", "the number without its sign"),
    ("APPEND_IF_MISSING", "input, suffix", "the text, with the suffix at its end"),
    ("CEILING", "number", "the next whole number above"),
    ("CHOMP", "input", "the text without one line break at its end"),
    ("CHOP", "input", "the text without its last character"),
    ("COS", "number", "the cosine"),
    ("COUNT_MATCHES", "input, part", "how often the part stands in the text"),
    ("DOMAIN_REMOVE_SUBDOMAINS", "domain", "the domain that was registered: yahoo.co.uk of www.yahoo.co.uk"),
    ("DOMAIN_REMOVE_TLD", "domain", "the domain without its public suffix: www.yahoo of www.yahoo.co.uk"),
    ("DOMAIN_TO_TLD", "domain", "the public suffix: co.uk of www.yahoo.co.uk"),
    ("ENDS_WITH", "input, suffix", "whether the text ends so"),
    ("EXP", "number", "e to the power of the number"),
    ("FILL_LEFT", "input, fill, length", "the text, filled at its start up to the length"),
    ("FILL_RIGHT", "input, fill, length", "the text, filled at its end up to the length"),
    ("FILTER", "list, lambda", "the elements for which the lambda is true"),
    ("FLOOR", "number", "the next whole number below"),
    ("FORMAT", "format, value...", "the values in a text, as Java's String.format"),
    ("GET", "list, index", "the element at a place, from 0"),
    ("GET_FIRST", "list", "the first element"),
    ("GET_LAST", "list", "the last element"),
    ("IN_SUBNET", "address, network...", "whether the address is in one of the networks, as in 192.168.0.0/24"),
    ("IS_DOMAIN", "domain", "whether it is a domain's name"),
    ("IS_EMPTY", "input", "whether the text, list or map has nothing in it, or is null"),
    ("IS_INTEGER", "input", "whether it is a whole number of 32 bits"),
    ("IS_IP", "address[, type]", "whether it is an address; type is IPV4, IPV6 or a list of them"),
    ("IS_NAN", "number", "whether it is no number"),
    ("IS_URL", "url", "whether it is a URL"),
    ("JOIN", "list, delimiter", "the elements in one text"),
    ("LENGTH", "input", "how long a text, list or map is"),
    ("LIST_ADD", "list, element", "the list and one more element"),
    ("LN", "number", "the natural logarithm"),
    ("LOG10", "number", "the logarithm of base 10"),
    ("LOG2", "number", "the logarithm of base 2"),
    ("MAP", "list, lambda", "what the lambda makes of each element"),
    ("MAP_EXISTS", "key, map", "whether the map has the key"),
    ("MAP_GET", "key, map[, default]", "the key's value, or the default"),
    ("MAP_MERGE", "list of maps", "all their entries; the last of a key counts"),
    ("MAP_PUT", "key, value, map", "the map with this entry"),
    ("MAX", "list", "the greatest element"),
    ("MIN", "list", "the least element"),
    ("PREPEND_IF_MISSING", "input, prefix", "the text, with the prefix at its start"),
    ("REDUCE", "list, lambda, initial", "what the lambda makes of the total so far and each element"),
    ("REGEXP_GROUP_VAL", "input, pattern, group", "what a group of the pattern matches"),
    ("REGEXP_MATCH", "input, pattern", "whether the pattern, or one of a list of them, matches"),
    ("REGEXP_REPLACE", "input, pattern, replacement", "the text with each match replaced"),
    ("ROUND", "number", "the nearest whole number"),
    ("SIN", "number", "the sine"),
    ("SPLIT", "input, delimiter", "the parts between delimiters"),
    ("SQRT", "number", "the square root"),
    ("STARTS_WITH", "input, prefix", "whether the text starts so"),
    ("STRING_ENTROPY", "input", "the text's entropy in bits a character"),
    ("SUBSTRING", "input, start[, end]", "the part from start, from 0, up to before end"),
    ("TAN", "number", "the tangent"),
    ("TO_DOUBLE", "input", "it as a Double; null when it is none"),
    ("TO_FLOAT", "input", "it as a Float; null when it is none"),
    ("TO_INTEGER", "input", "it as an Integer; null when it is none"),
    ("TO_JSON_LIST", "input", "the list that the JSON text is"),
    ("TO_JSON_MAP", "input", "the map that the JSON text is"),
    ("TO_JSON_OBJECT", "input", "the value that the JSON text is"),
    ("TO_LONG", "input", "it as a Long; null when it is none"),
    ("TO_LOWER", "input", "the text in small letters"),
    ("TO_STRING", "input", "it as a text"),
    ("TO_UPPER", "input", "the text in capital letters"),
    ("TRIM", "input", "the text without white space around it"),
    ("URL_TO_HOST", "url", "the host"),
    ("URL_TO_PATH", "url", "the path"),
    ("URL_TO_PORT", "url", "the port, or the protocol's own"),
    ("URL_TO_PROTOCOL", "url", "the protocol"),
    ("ZIP", "list...", "lists of the elements at each place, as long as the shortest"),
    ("ZIP_LONGEST", "list...", "lists of the elements at each place, filled with null"),
];

#[cfg(test)]
mod tests {
    use crate::Functions;

    #[test]
    fn each_function_is_explained_and_nothing_else() {
        let functions = Functions::standard();
        let explained: Vec<&str> = super::ALL.iter().map(|(name, ..)| *name).collect();
        assert_eq!(explained, functions.names());
        assert_eq!(Functions::help("TRIM").as_deref(), Some("TRIM(input): the text without white space around it"));
        assert_eq!(Functions::help("NONE"), None);
    }
}
