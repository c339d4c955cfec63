package postgres_test

import (
	"testing"

	"github.com/paysaga/paysaga/internal/pgtest"
)

// A view's columns are those it selects, a partition's those of its parent, and
// goose keeps a table of its own.
const uncommented = `
with ours as (
  select oid, relname, relkind, relispartition
    from pg_class
   where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')
     and relname <> 'goose_db_version'
), all_of_it as (
  select relname::text as name, obj_description(oid, 'pg_class') as comment from ours
  union all
  select relname || '.' || attname, col_description(attrelid, attnum)
    from ours join pg_attribute on attrelid = oid
   where relkind in ('r', 'p', 'f') and not relispartition and attnum > 0 and not attisdropped
)
select count(*), array_agg(name order by name) filter (where btrim(coalesce(comment, '')) = '')
  from all_of_it`

func TestEveryTableAndColumnHasAComment(t *testing.T) {
	t.Parallel()
	var looked int
	var bare []string
	if err := pgtest.New(t).Pool.QueryRow(t.Context(), uncommented).Scan(&looked, &bare); err != nil {
		t.Fatal(err)
	}
	if looked == 0 {
		t.Error("no table was looked at: is the schema still public?")
	}
	for _, name := range bare {
		t.Errorf("%s has no comment", name)
	}
}
