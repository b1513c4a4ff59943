module services/imagor

go 1.25

require github.com/cshum/imagor v1.4.17
