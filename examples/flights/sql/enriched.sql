-- One row a flight, with what the other tables know about it. Left joins: a flight whose plane, destination or weather
-- is missing stays, with nulls in its place.
select
    f.time_hour,
    f.year,
    f.month,
    f.day,
    f.hour,
    f.carrier,
    a.name as airline,
    f.flight,
    f.tailnum,
    p.year as built,
    p.seats,
    f.origin,
    f.dest,
    d.name as destination,
    f.distance,
    f.dep_delay,
    f.arr_delay,
    w.temp,
    w.wind_speed,
    w.visib
from clean f
left join airlines a on a.carrier = f.carrier
left join planes p on p.tailnum = f.tailnum
left join airports d on d.faa = f.dest
left join weather w on w.origin = f.origin and w.time_hour = f.time_hour
