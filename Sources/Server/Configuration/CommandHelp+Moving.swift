extension CommandName {
    static var importDetails: String {
        """
        FORMAT is what FILE holds; - in place of FILE is standard input:

          csv      a table with a header, as Bitly, Shlink, Dub and plugins of YOURLS write it, and edge export
          yourls   the SQL dump of YOURLS' database
          golink   what golink gives at /.export
          ndjson   a link as the API shows it, one a line, as edge export prints it

        Codes and times of creation are kept, and the links belong to the key; with the scope admin, to whom a row names.
        With that scope there is also no limit of links a second. Rows are told of on standard error that make no link, with
        their line and the reason, and at the end standard output has the sums. Exit status 0 only if no row was
        rejected.

        It may be repeated as often as need be: a code that leads to the same destination already, and has the same owner, is
        left as it is; one that is somebody else's, or leads elsewhere, is rejected and never overwritten. Rows without a code
        get a new one each time they are sent.

          --dry-run        sends all rows, has the node judge them by its rules and by the codes that it knows to be taken,
                           and writes nothing; two rows with one code are not told apart from one
          --from LINE      passes over rows that begin in earlier lines: an import that was cut says where it ended
          --rejected FILE  appends the rejected rows to FILE instead
          --server URL     which node makes them; http://127.0.0.1:8080 if left out
          --key-file FILE  file with the API key; if left out, the environment variable EDGE_KEY, if it is set
        """
    }

    static var exportDetails: String {
        """
        The links of the key; with the scope admin everybody's, or one owner's. Deleted links, and such as expired long ago, are
        left out. What ndjson and csv print edge import reads.

          --format NAME    ndjson, a link as the API shows it, one a line, if left out; or csv, a table
          --owner NAME     with the scope admin: that owner's links alone
          --after CODE     begins behind that link: an export that was cut goes on behind its last whole line
          --server URL     which node is asked; http://127.0.0.1:8080 if left out
          --key-file FILE  file with the API key; if left out, the environment variable EDGE_KEY, if it is set
        """
    }
}
