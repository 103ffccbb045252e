package main

// memfdCreate is memfd_create(2)'s number.
const memfdCreate = 319
